package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// secondVersion returns a schema of version 2, with so many messages.
func secondVersion(t *testing.T, messages int) string {
	t.Helper()
	schema := bareSchema(t)
	for _, name := range []string{"0001", "0002"} {
		text, err := postgres.Migrations.ReadFile("migrations/" + name + ".sql")
		require.NoError(t, err)
		exec(t, strings.ReplaceAll(string(text), "gentask", schema))
	}
	exec(t, replaceAll(`INSERT INTO {}.job (queue) SELECT 'old' FROM generate_series(1, $1::int)`, schema), messages)
	return schema
}

// requireLock requires that the keys of the schema work, and the old messages are there.
func requireLock(t *testing.T, schema string, messages int) {
	t.Helper()
	b := newBroker(t, url(), postgres.Config{Schema: schema})
	require.Equal(t, messages, count(t, b.Queue("old")).Ready)
	for _, want := range []bool{false, true} {
		results, err := b.Queue("q").PublishResults(t.Context(), locked("a", "k"))
		require.NoError(t, err)
		require.Equal(t, want, results[0].Duplicate)
	}
	require.Equal(t, 1, number(t, `SELECT count(*) FROM pg_index
		WHERE indexrelid = to_regclass($1 || '.job_lock') AND indisvalid AND indisunique`, schema))
}

// The table can be used while several nodes migrate it, and a transaction of somebody else, which
// they wait for, is open.
func TestMigrate_InUse(t *testing.T) {
	t.Parallel()
	const messages = 20_000
	schema := secondVersion(t, messages)
	pool := newPool(t, url())
	other, err := pgx.Connect(t.Context(), url())
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(context.WithoutCancel(t.Context()))) }()
	_, err = other.Exec(t.Context(), replaceAll("BEGIN; INSERT INTO {}.job (queue) VALUES ('open')", schema))
	require.NoError(t, err)

	const nodes = 3
	errs := make(chan error, nodes)
	for range nodes {
		go func() { errs <- postgres.Migrate(t.Context(), pool, postgres.Config{Schema: schema}) }()
	}
	longest := time.Duration(0)
	for begun, n := time.Now(), 0; time.Since(begun) < 2*time.Second; n++ {
		start := time.Now()
		exec(t, replaceAll("INSERT INTO {}.job (queue) VALUES ('new')", schema))
		longest = max(longest, time.Since(start))
	}
	t.Logf("the longest INSERT took %v", longest)
	require.Less(t, longest, time.Second, "a publisher waits for the migration")
	require.Empty(t, errs, "the transaction is open")
	_, err = other.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	for range nodes {
		require.NoError(t, <-errs)
	}
	requireLock(t, schema, messages)
}

// A migration that is interrupted while the index is built goes on with the next call.
func TestMigrate_Interrupted(t *testing.T) {
	t.Parallel()
	schema := secondVersion(t, 10)
	cfg, pool := postgres.Config{Schema: schema}, newPool(t, url())
	exec(t, replaceAll("ALTER TABLE {}.job ADD COLUMN lock_key bytea", schema))
	other, err := pgx.Connect(t.Context(), url())
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(context.WithoutCancel(t.Context()))) }()
	_, err = other.Exec(t.Context(), replaceAll("BEGIN; INSERT INTO {}.job (queue) VALUES ('open')", schema))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- postgres.Migrate(ctx, pool, cfg) }()
	broken := replaceAll(`SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('{}.job_lock') AND NOT indisvalid`,
		schema)
	require.Eventually(t, func() bool { return number(t, broken) == 1 }, patience, 20*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = other.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), pool, cfg); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	requireLock(t, schema, 10)
}

// The SQL file does the same in one transaction, also after an index that is not valid.
func TestMigrate_ThirdFile(t *testing.T) {
	t.Parallel()
	schema := secondVersion(t, 10)
	text, err := postgres.Migrations.ReadFile("migrations/0003.sql")
	require.NoError(t, err)
	exec(t, "BEGIN; "+strings.ReplaceAll(string(text), "gentask", schema)+"; COMMIT")
	requireLock(t, schema, 10)
	require.NoError(t, newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q").Publish(t.Context(),
		queue.Message{ID: "plain"}))
}
