package outbox_test

import (
	"context"
	"crypto/rand"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue/postgres"
)

// pool is that of the tests' transactions.
var pool *pgxpool.Pool

func TestMain(m *testing.M) {
	play()
	at, err := brokertest.FindPostgres()
	if err == nil {
		pool, err = pgxpool.New(context.Background(), at)
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	pool.Close()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			log.Print(err)
			code = 1
		}
	}
	os.Exit(code)
}

// newBroker returns a broker in a schema of its own.
func newBroker(t testing.TB) *postgres.Broker {
	t.Helper()
	cfg := postgres.Config{Schema: "gentask_test_" + strings.ToLower(rand.Text()[:12])}
	require.NoError(t, postgres.Migrate(t.Context(), pool, cfg))
	t.Cleanup(func() {
		_, err := pool.Exec(context.Background(), "DROP SCHEMA "+cfg.Schema+" CASCADE")
		require.NoError(t, err)
	})
	b, err := postgres.New(pool, cfg)
	require.NoError(t, err)
	return b
}
