package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// TestDelete leaves no row of the queue, ends its sessions, and leaves its neighbours alone. The
// queue can be used again. It needs no prepared statements.
func TestDelete(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]pgx.QueryExecMode{
		"prepared": pgx.QueryExecModeCacheStatement, "plain": pgx.QueryExecModeExec,
	} {
		t.Run(name, func(t *testing.T) {
			schema := newSchema(t)
			b := newBroker(t, url(), postgres.Config{Schema: schema}, func(c *pgxpool.Config) {
				c.ConnConfig.DefaultQueryExecMode = mode
			})
			q, other := b.Queue("emails"), b.Queue("emails-2")
			require.NoError(t, q.Delete(t.Context()), "there is none")

			require.NoError(t, other.Publish(t.Context(), queue.Message{ID: "other", UniqueKey: "k"}))
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a", UniqueKey: "k"}, locked("b", "l"),
				queue.Message{ID: "c"}, queue.Message{ID: "later", NotBefore: time.Now().Add(time.Hour)}))
			s := open(t, q, 2)
			require.NoError(t, settle(t, s, queue.DeadLetter, receive(t, s)))
			held := receive(t, s)

			require.NoError(t, q.Delete(t.Context()))
			pool := newPool(t, url())
			for _, table := range []string{"job", "letter", "session", "unique_key"} {
				left := 0
				require.NoError(t, pool.QueryRow(t.Context(),
					"SELECT count(*) FROM "+schema+"."+table+" WHERE queue = 'emails'").Scan(&left))
				require.Zero(t, left, table)
			}
			require.ErrorIs(t, settle(t, s, queue.Ack, held), queue.ErrSessionLost)
			require.ErrorIs(t, lost(t, s), queue.ErrSessionLost)

			results, err := q.PublishResults(t.Context(), queue.Message{ID: "d", UniqueKey: "k"}, locked("e", "l"))
			require.NoError(t, err)
			require.Equal(t, []bool{false, false}, []bool{results[0].Duplicate, results[1].Duplicate}, "the keys are free")
			require.Equal(t, 2, count(t, q).Ready)
			require.Equal(t, 1, count(t, other).Ready)
			results, err = other.PublishResults(t.Context(), queue.Message{UniqueKey: "k"})
			require.NoError(t, err)
			require.True(t, results[0].Duplicate)
			require.NoError(t, q.Delete(t.Context()))
			all, err := b.Queues(t.Context(), "")
			require.NoError(t, err)
			require.Len(t, all, 1)
		})
	}
	require.ErrorIs(t, newBroker(t, url(), postgres.Config{}).Queue("").Delete(t.Context()), queue.ErrConfig)
}

// TestDelete_ALargeQueue takes more than one transaction.
func TestDelete_ALargeQueue(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("emails")
	exec(t, "INSERT INTO "+schema+".job (queue) SELECT 'emails' FROM generate_series(1, 25000)")
	exec(t, "INSERT INTO "+schema+".letter (queue) SELECT 'emails' FROM generate_series(1, 20000)")
	require.NoError(t, q.Delete(t.Context()))
	require.Zero(t, count(t, q))
}

// TestDelete_LeastRights: those of docs/drivers.md are enough, and a lack of them is an error.
func TestDelete_LeastRights(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	role, at := newRole(t, schema, "")
	for _, right := range []string{"USAGE ON SCHEMA {}", "SELECT ON {}.version", "SELECT, DELETE ON {}.session"} {
		grant(t, schema, role, right)
	}
	require.NoError(t, newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q").
		Publish(t.Context(), queue.Message{UniqueKey: "k"}))
	q := newBroker(t, at, postgres.Config{Schema: schema}).Queue("q")
	require.ErrorContains(t, q.Delete(t.Context()), "a right is missing")
	grant(t, schema, role, "SELECT, DELETE ON {}.job, {}.letter, {}.unique_key")
	require.NoError(t, q.Delete(t.Context()))
}
