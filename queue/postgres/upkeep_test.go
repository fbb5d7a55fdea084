package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// number returns the number that a query has for a result.
func number(t testing.TB, sql string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	n := 0
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// A publisher notifies a session that sleeps, and nothing if none does.
func TestNotify(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	channel := postgres.ChannelOf(schema, "q")
	conn, err := pgx.Connect(t.Context(), url())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), "LISTEN "+channel)
	require.NoError(t, err)
	next := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		n, err := conn.WaitForNotification(ctx)
		require.NoError(t, err)
		return n.Payload
	}
	// The end of a list of notifications, which arrive in the order of their commits.
	end := func() { exec(t, "SELECT pg_notify($1, 'end')", channel) }

	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	end()
	require.Equal(t, "end", next(), "nobody sleeps")

	s := open(t, q, 1)
	ack(t, s, receive(t, s))
	require.Eventually(t, func() bool {
		return number(t, "SELECT count(*) FROM "+schema+".session WHERE sleeping") == 1
	}, patience, 20*time.Millisecond)
	end()
	require.Empty(t, next(), "the session tries whether it is notified")
	require.Equal(t, "end", next())
	require.NoError(t, q.Publish(t.Context(), queue.Message{}, queue.Message{UniqueKey: "k"}))
	require.Empty(t, next())
	end()
	require.Equal(t, "end", next(), "once for all messages")
	ack(t, s, receive(t, s))
}

// Keys are forgotten at the end of their window, and their rows are removed.
func TestKeysExpire(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema, Unique: 300 * time.Millisecond, Lease: 2 * time.Second}).Queue("q")
	results, err := q.PublishResults(t.Context(), queue.Message{UniqueKey: "k"}, queue.Message{UniqueKey: "k"})
	require.NoError(t, err)
	require.True(t, results[1].Duplicate)
	require.Eventually(t, func() bool {
		results, err := q.PublishResults(t.Context(), queue.Message{UniqueKey: "k"})
		return err == nil && !results[0].Duplicate
	}, patience, 50*time.Millisecond)
	open(t, q, 1)
	require.Eventually(t, func() bool {
		return number(t, "SELECT count(*) FROM "+schema+".unique_key") == 0
	}, patience, 50*time.Millisecond)
}

// A session vacuums the table of jobs, if it is its role's.
func TestVacuum(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	s := open(t, q, 1)
	postgres.Vacuum(t.Context(), s)
	require.Eventually(t, func() bool {
		return number(t, "SELECT vacuum_count FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'job'", schema) == 1
	}, patience, 50*time.Millisecond)
	role, at := newRole(t, schema, "")
	for _, right := range []string{"USAGE ON SCHEMA {}", "ALL ON ALL TABLES IN SCHEMA {}"} {
		grant(t, schema, role, right)
	}
	other := open(t, newBroker(t, at, postgres.Config{Schema: schema}).Queue("q"), 1)
	postgres.Vacuum(t.Context(), other) // refused with a warning, and nothing happens
	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
}
