package postgres_test

import (
	"context"
	"fmt"
	"net"
	neturl "net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// newRole makes a role that may log in, and returns its name, and the address with it.
func newRole(t testing.TB, schema, options string) (role, at string) {
	t.Helper()
	role = schema + "_role"
	exec(t, "CREATE ROLE "+role+" LOGIN "+options)
	t.Cleanup(func() { // before the schema is dropped
		exec(t, "DROP OWNED BY "+role)
		exec(t, "DROP ROLE "+role)
	})
	u, err := neturl.Parse(url())
	require.NoError(t, err)
	u.User = neturl.User(role)
	return role, u.String()
}

// A server that only reads, as a standby after a failover does, is unavailable.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}, func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}).Queue("q")
	_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), queue.ErrUnavailable)
	_, err = q.Inspect(t.Context())
	require.NoError(t, err, "it can be read")
}

// A server that refuses connections, or has no more of them, is unavailable or a failed dial.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	_, at := newRole(t, schema, "CONNECTION LIMIT 1")
	q := newBroker(t, at, postgres.Config{Schema: schema}).Queue("q")
	conn, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	_, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), queue.ErrUnavailable)
	require.NoError(t, conn.Close(t.Context()))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	nobody := newBroker(t, fmt.Sprintf("postgres://postgres@%s/test?sslmode=disable", l.Addr()), postgres.Config{}).Queue("q")
	_, err = nobody.Open(t.Context(), queue.Options{Prefetch: 1})
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
}

// A server that says nothing holds up neither Open nor Publish beyond their contexts.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	p := brokertest.NewProxy(t, url())
	p.Hold()
	q := newBroker(t, p.URL(), postgres.Config{Schema: schema}).Queue("q")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := q.Open(ctx, queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, q.Publish(ctx, queue.Message{}), context.DeadlineExceeded)
}

// A session can be closed in time though the server says nothing any more.
func TestSilentServer_Close(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	p := brokertest.NewProxy(t, url())
	q := newBroker(t, p.URL(), postgres.Config{Schema: schema}).Queue("q")
	s := open(t, q, 1)
	p.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Close(ctx) }()
	select {
	case err := <-done:
		t.Log(err) // it may have been released in time
	case <-time.After(patience):
		t.Fatal("Close hangs")
	}
}

// The rights of docs/drivers.md are enough for a role that publishes, and for one that consumes.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	t.Run("publish", func(t *testing.T) {
		schema := newSchema(t)
		role, at := newRole(t, schema, "")
		for _, right := range []string{
			"USAGE ON SCHEMA {}", "SELECT ON {}.version, {}.session", "INSERT ON {}.job",
			"SELECT, INSERT, UPDATE ON {}.unique_key",
		} {
			grant(t, schema, role, right)
		}
		q := newBroker(t, at, postgres.Config{Schema: schema}).Queue("q")
		require.NoError(t, q.Publish(t.Context(), queue.Message{}, queue.Message{UniqueKey: "k"}))
		_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorContains(t, err, "a right is missing")
		require.ErrorContains(t, err, "42501")
	})
	t.Run("consume", func(t *testing.T) {
		schema := newSchema(t)
		role, at := newRole(t, schema, "")
		for _, right := range []string{
			"USAGE ON SCHEMA {}", "SELECT ON {}.version", "SELECT, INSERT, UPDATE, DELETE ON {}.session",
			"SELECT, UPDATE, DELETE ON {}.job", "INSERT ON {}.letter", "SELECT, DELETE ON {}.unique_key",
		} {
			grant(t, schema, role, right)
		}
		owner := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
		q := newBroker(t, at, postgres.Config{Schema: schema}).Queue("q")
		s := open(t, q, 4)
		require.NoError(t, owner.Publish(t.Context(), make([]queue.Message, 4)...))
		for _, disposition := range []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter} {
			require.NoError(t, settle(t, s, disposition, receive(t, s)), "%v", disposition)
		}
		_, err := q.Backlog(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, q.Publish(t.Context(), queue.Message{}), "a right is missing")
	})
}

// grant grants a right to a role.
func grant(t testing.TB, schema, role, right string) {
	t.Helper()
	exec(t, "GRANT "+replaceAll(right, schema)+" TO "+role)
}

// A settlement that the server refuses does not hold up the others of its batch, and can be given
// back.
func TestRefusedSettlement(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	s := open(t, q, 2)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	a, b := receive(t, s), receive(t, s)
	exec(t, "ALTER TABLE "+schema+".letter ADD CHECK (message_id <> 'a')")
	err := s.Settle(t.Context(), []queue.Settlement{
		{Delivery: a, Disposition: queue.DeadLetter}, {Delivery: b, Disposition: queue.Ack},
	})
	var failed *queue.SettleError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 1)
	require.Equal(t, a.Tag, failed.Failed[0].Tag)
	require.Equal(t, queue.Stats{Held: 1, Consumers: 1}, count(t, q))
	returner, can := s.(queue.Returner)
	require.True(t, can)
	require.NoError(t, returner.Return(t.Context(), []queue.Settlement{{Delivery: a, Disposition: queue.DeadLetter}}))
	again := receive(t, s)
	require.Equal(t, 1, again.Attempt)
	ack(t, s, again)
}

// A session that has lost a right ends with that as the reason, and not silently.
func TestRightLost(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	role, at := newRole(t, schema, "")
	grant(t, schema, role, "USAGE ON SCHEMA {}")
	grant(t, schema, role, "ALL ON ALL TABLES IN SCHEMA {}")
	s := open(t, newBroker(t, at, postgres.Config{Schema: schema}).Queue("q"), 1)
	exec(t, "REVOKE UPDATE ON "+schema+".job FROM "+role)
	require.ErrorContains(t, lost(t, s), "a right is missing")
}
