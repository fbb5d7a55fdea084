package postgres_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
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

// The suites run on a private server, which can be killed, through PgBouncer in transaction mode,
// without prepared statements.
func TestStoreConformance(t *testing.T) {
	t.Parallel()
	p := newPrivate(t)
	bouncer := brokertest.PgBouncer(t, portOf(t, p.server.URL()))
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture {
		f, schema := storeFixture(t, bouncer, p.schema(t), pgx.QueryExecModeExec)
		f.Kill = p.restart
		f.Wipe = func() { p.sql("DELETE FROM "+schema+".store", "DELETE FROM "+schema+".record") }
		return f
	})
}

func TestStoreConformance_Prepared(t *testing.T) {
	t.Parallel()
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture {
		f, _ := storeFixture(t, url(), newSchema(t), pgx.QueryExecModeCacheStatement)
		return f
	})
}

// storeFixture returns a store in a schema.
func storeFixture(t testing.TB, at, schema string, mode pgx.QueryExecMode) (queuetest.StoreFixture, string) {
	t.Helper()
	in := func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode }
	p := brokertest.NewProxy(t, at)
	b := newBroker(t, p.URL(), postgres.Config{Schema: schema}, in)
	aside := newBroker(t, at, postgres.Config{Schema: schema}, in)
	return queuetest.StoreFixture{
		Open:        func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, "fleet") },
		Aside:       func(ctx context.Context) (queue.Store, error) { return aside.Store(ctx, "fleet") },
		Cut:         p.Refuse,
		LoseAnswers: p.Mute,
		Restore:     p.Open,
	}, schema
}

func TestBusConformance(t *testing.T) {
	t.Parallel()
	private := newPrivate(t)
	bouncer := brokertest.PgBouncer(t, portOf(t, private.server.URL()))
	queuetest.RunBus(t, func(t testing.TB) queuetest.BusFixture {
		cfg := postgres.Config{Schema: private.schema(t)}
		in := func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec }
		p := brokertest.NewProxy(t, bouncer)
		b, aside := newBroker(t, p.URL(), cfg, in), newBroker(t, bouncer, cfg, in)
		return queuetest.BusFixture{
			Open:    func(ctx context.Context) (queue.Bus, error) { return b.Bus(ctx, "fleet") },
			Aside:   func(ctx context.Context) (queue.Bus, error) { return aside.Bus(ctx, "fleet") },
			Cut:     p.Refuse,
			Restore: p.Open,
			Kill:    private.restart,
		}
	})
}

// private is a server that can be killed.
type private struct {
	t      testing.TB
	server *brokertest.PostgresServer
	made   int
}

func newPrivate(t testing.TB) *private {
	t.Helper()
	server, err := brokertest.StartPostgres(brokertest.PostgresConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return &private{t: t, server: server}
}

// schema returns the name of a new schema.
func (p *private) schema(t testing.TB) string {
	t.Helper()
	p.made++
	schema := fmt.Sprintf("gentask_test_%d", p.made)
	require.NoError(t, postgres.Migrate(t.Context(), newPool(t, p.server.URL()), postgres.Config{Schema: schema}))
	return schema
}

func (p *private) sql(statements ...string) {
	_, err := p.server.SQL(statements...)
	require.NoError(p.t, err)
}

func (p *private) restart() {
	require.NoError(p.t, p.server.Kill())
	require.NoError(p.t, p.server.Start())
}

// The rights of docs/drivers.md are enough for a role with a store, and for one with a bus.
func TestLeastRights_Seams(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	role, at := newRole(t, schema, "")
	b := newBroker(t, at, postgres.Config{Schema: schema})
	grant(t, schema, role, "USAGE ON SCHEMA {}")
	grant(t, schema, role, "SELECT ON {}.version")
	_, err := b.Store(t.Context(), "fleet")
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "a right is missing")
	for _, right := range []string{
		"SELECT, INSERT, UPDATE ON {}.store", "SELECT, INSERT, UPDATE, DELETE ON {}.record", "USAGE ON SEQUENCE {}.revision",
	} {
		grant(t, schema, role, right)
	}
	s, err := b.Store(t.Context(), "fleet")
	require.NoError(t, err)
	revision, err := s.Put(t.Context(), "k", nil, queue.Absent, 0)
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "k", revision))
	require.NoError(t, s.Clear(t.Context(), ""))
	for c, err := range s.Watch(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, queue.ChangeCurrent, c.Kind)
		break
	}
	require.NoError(t, s.Close())

	one, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	_, err = one.Answer("who", func([]byte) []byte { return nil })
	require.ErrorIs(t, err, queue.ErrConfig)
	for _, err := range one.Ask(t.Context(), "who", nil) {
		require.ErrorIs(t, err, queue.ErrConfig)
	}
	for _, right := range []string{"SELECT, INSERT, UPDATE, DELETE ON {}.question, {}.answer"} {
		grant(t, schema, role, right)
	}
	_, err = one.Answer("who", func([]byte) []byte { return []byte("me") })
	require.NoError(t, err)
	for answer, err := range one.Ask(t.Context(), "who", nil) {
		require.NoError(t, err)
		require.Equal(t, "me", string(answer))
		break
	}
	require.NoError(t, one.Close())
}

// Where notifications don't arrive, as through PgBouncer in transaction mode, watches and functions
// look for themselves, often enough.
func TestSeams_WithoutNotifications(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	p := brokertest.NewProxy(t, url())
	p.Filter(withoutNotifications)
	deaf := newBroker(t, p.URL(), postgres.Config{Schema: schema})
	b := newBroker(t, url(), postgres.Config{Schema: schema})
	s, watched := openStore(t, b), openStore(t, deaf)
	next, stop := iter.Pull2(watched.Watch(t.Context(), ""))
	defer stop()
	c, err, _ := next()
	require.NoError(t, err)
	require.Equal(t, queue.ChangeCurrent, c.Kind)
	var quick int
	for i := range 20 {
		start := time.Now()
		_, err := s.Put(t.Context(), "k", []byte(fmt.Sprint(i)), queue.Always, 0)
		require.NoError(t, err)
		for c, err, _ = next(); c.Kind != queue.ChangeSet; c, err, _ = next() {
			require.NoError(t, err)
		}
		if time.Since(start) < 500*time.Millisecond {
			quick++
		}
	}
	// A change comes when the last one was seen, so without a look of its own none of them is
	// quick.
	require.GreaterOrEqual(t, quick, 5, "of 20 changes came before the next read that nothing causes")

	node, err := deaf.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	defer func() { require.NoError(t, node.Close()) }()
	asker, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	defer func() { require.NoError(t, asker.Close()) }()
	_, err = node.Answer("who", func([]byte) []byte { return []byte("me") })
	require.NoError(t, err)
	for answer, err := range asker.Ask(t.Context(), "who", nil) {
		require.NoError(t, err)
		require.Equal(t, "me", string(answer))
		break
	}
}

// What has gone is removed from the tables, and what is there stays.
func TestSeams_Upkeep(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	b := newBroker(t, url(), postgres.Config{Schema: schema})
	s := openStore(t, b)
	for _, key := range []string{"stays", "deleted", "expired"} {
		_, err := s.Put(t.Context(), key, nil, queue.Absent, time.Hour)
		require.NoError(t, err)
	}
	require.NoError(t, s.Delete(t.Context(), "deleted", queue.Always))
	exec(t, replaceAll("UPDATE {}.record SET until = now() - interval '2 minutes' WHERE key IN ('deleted', 'expired')", schema))
	exec(t, replaceAll("INSERT INTO {}.question (bus, topic, asked, body) VALUES ('fleet', 'who', now() - interval '2 minutes', '')", schema))
	asker, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	defer func() { require.NoError(t, asker.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for answer, err := range asker.Ask(ctx, "who", nil) {
		t.Error(answer, err)
	}
	pool := newPool(t, url())
	rows := func(table string) (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), replaceAll("SELECT count(*) FROM {}."+table, schema)).Scan(&n))
		return n
	}
	require.Equal(t, 3, rows("record"))
	require.Eventually(t, func() bool { return rows("record") == 1 && rows("question") <= 1 }, patience, 100*time.Millisecond)
	_, err = s.Get(t.Context(), "stays")
	require.NoError(t, err)
}

// withoutNotifications removes the notification at the beginning of what a server sends, where one
// comes by itself.
func withoutNotifications(b []byte) []byte {
	if len(b) > 4 && b[0] == 'A' { // NotificationResponse
		return b[1+binary.BigEndian.Uint32(b[1:]):]
	}
	return b
}
