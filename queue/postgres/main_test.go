package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue/postgres"
)

func TestMain(m *testing.M) {
	play()
	goleak.VerifyTestMain(m)
}

// url returns the address of the server of the tests: that of GENTASK_POSTGRES_URL, else a private
// one, which vacuums itself.
func url() string {
	at, err := brokertest.FindPostgres()
	if err != nil {
		panic(err)
	}
	return at
}

// newPool returns a pool that is closed after the test.
func newPool(t testing.TB, url string, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	for _, f := range change {
		f(cfg)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// newSchema returns the name of a new schema, which is dropped after the test.
func newSchema(t testing.TB) string {
	t.Helper()
	schema := bareSchema(t)
	require.NoError(t, postgres.Migrate(t.Context(), newPool(t, url()), postgres.Config{Schema: schema}))
	return schema
}

// bareSchema returns the name of a schema that is not there, and is dropped after the test.
func bareSchema(t testing.TB) string {
	t.Helper()
	schema := "gentask_test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { exec(t, "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })
	return schema
}

// exec executes SQL as the owner, over a connection of its own.
func exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(t, err, sql)
}

// newBroker returns a broker in a schema, with a pool of its own.
func newBroker(t testing.TB, url string, cfg postgres.Config, change ...func(*pgxpool.Config)) *postgres.Broker {
	t.Helper()
	if cfg.Lease == 0 {
		cfg.Lease = 5 * time.Second // a busy machine must cost none
	}
	b, err := postgres.New(newPool(t, url, change...), cfg)
	require.NoError(t, err)
	return b
}

// replaceAll puts the schema into SQL.
func replaceAll(sql, schema string) string { return strings.ReplaceAll(sql, "{}", schema) }
