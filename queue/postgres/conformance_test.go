package postgres_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/queuetest"
)

// TestConformance runs the suite through PgBouncer in transaction mode, without prepared
// statements, and in the long form of the tests directly and with them, as the other tests do.
func TestConformance(t *testing.T) {
	t.Parallel()
	run := func(name, at string, mode pgx.QueryExecMode) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := newSchema(t)
			queuetest.Run(t, func(t testing.TB) queuetest.Fixture { return fixture(t, at, schema, mode) })
		})
	}
	run("bouncer", brokertest.PgBouncer(t, portOf(t, url())), pgx.QueryExecModeExec)
	if os.Getenv("GENTASK_CHAOS") == "full" {
		run("prepared", url(), pgx.QueryExecModeCacheStatement)
	}
}

// portOf returns the port of a server.
func portOf(t testing.TB, url string) int {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return int(cfg.Port)
}

// fixture returns a queue whose sessions go through a proxy.
func fixture(t testing.TB, at, schema string, mode pgx.QueryExecMode) queuetest.Fixture {
	t.Helper()
	p := brokertest.NewProxy(t, at)
	// The next session to open gives back what a lost one held, without a wait for its lease.
	cfg := postgres.Config{Schema: schema, Lease: 5 * time.Second}
	in := func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode }
	direct := newBroker(t, at, cfg, in).Queue(t.Name())
	pool := newPool(t, url())
	return queuetest.Fixture{
		Source:    newBroker(t, p.URL(), cfg, in).Queue(t.Name()),
		Publisher: direct,
		DeadLetters: func(ctx context.Context) ([]queue.Message, error) {
			var all []queue.Message
			for letter, err := range direct.Letters().All(ctx, queue.LetterFilter{}) {
				if err != nil {
					return nil, err
				}
				all = append(all, letter.Message)
			}
			return all, nil
		},
		Letters: direct.Letters(),
		Bury: func(ctx context.Context, msgs ...queue.Message) error {
			return bury(ctx, pool, schema, t.Name(), msgs)
		},
		Break: p.Cut,
		Held: func(ctx context.Context) (int, error) {
			stats, err := direct.Inspect(ctx)
			return stats.Held, err
		},
	}
}

// bury inserts letters as another program would.
func bury(ctx context.Context, pool *pgxpool.Pool, schema, name string, msgs []queue.Message) error {
	var ids, headers []string
	var bodies [][]byte
	for _, m := range msgs {
		ids, headers = append(ids, m.ID), append(headers, postgres.EncodeHeaders(m.Headers))
		bodies = append(bodies, append([]byte{}, m.Body...))
	}
	_, err := pool.Exec(ctx, `INSERT INTO `+schema+`.letter (queue, message_id, headers, body)
		SELECT $1, id, nullif(headers, '')::jsonb, body
		FROM unnest($2::text[], $3::text[], $4::bytea[]) AS m(id, headers, body)`, name, ids, headers, bodies)
	return err
}

// TestNames: a queue without a valid name is refused by everything.
func TestNames(t *testing.T) {
	t.Parallel()
	b := newBroker(t, url(), postgres.Config{Schema: newSchema(t)})
	for _, name := range []string{"", "a\x00b", "\xff", string(make([]byte, 300))} {
		q := b.Queue(name)
		_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), queue.ErrConfig)
		_, err = q.Inspect(t.Context())
		require.ErrorIs(t, err, queue.ErrConfig)
	}
}
