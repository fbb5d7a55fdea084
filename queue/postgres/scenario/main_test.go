package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

const kind chaos.Kind = "PostgreSQL"

var (
	// full means that all of it runs: `make chaos`. Otherwise the short form does.
	full = os.Getenv("GENTASK_CHAOS") == "full"

	table chaos.Table

	// shared is the server of all tests that leave it as it was, or start it again.
	shared = sync.OnceValues(func() (*brokertest.PostgresServer, error) {
		p, err := brokertest.StartPostgres(brokertest.PostgresConfig{})
		if err != nil {
			return nil, err
		}
		return p, migrate(p.URL())
	})
)

func TestMain(m *testing.M) {
	chaos.Bring(kind, openGuest)
	if chaos.Child() {
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if name := os.Getenv("GENTASK_CHAOS_JSON"); name != "" {
		f, err := os.Create(name) //nolint:gosec // the user's own
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer f.Close()
		table.Lines = f
	}
	code := m.Run()
	p, err := shared()
	if err == nil {
		err = p.Close()
	}
	if err := errors.Join(err, table.Print(os.Stdout), goleak.Find()); err != nil {
		fmt.Println(err)
		code = max(code, 1)
	}
	return code
}

// scaled is the short or the full number.
func scaled(short, whole int) int {
	if full {
		return whole
	}
	return short
}

// soon is when consumption resumes at the latest, after the server can be reached again. The short
// form shares its cores with other tests, under the race detector.
var soon = chaos.Span(time.Duration(scaled(5, 2)) * time.Second)

func server(t testing.TB) *brokertest.PostgresServer {
	t.Helper()
	p, err := shared()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	return p
}

// startServer starts a server for one test.
func startServer(t testing.TB, cfg brokertest.PostgresConfig) *brokertest.PostgresServer {
	t.Helper()
	p, err := brokertest.StartPostgres(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// newDatabase makes a database, with the tables, that nothing else uses, and returns its URL.
func newDatabase(t testing.TB, p *brokertest.PostgresServer, name, options string) string {
	t.Helper()
	operate(t, p, "CREATE DATABASE "+name+" "+options)
	at := withDatabase(t, p.URL(), name)
	require.NoError(t, migrate(at))
	return at
}

func withDatabase(t testing.TB, at, name string) string {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func migrate(at string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pool, err := pgxpool.New(ctx, at)
	if err != nil {
		return err
	}
	defer pool.Close()
	return postgres.Migrate(ctx, pool, postgres.Config{})
}

// operate executes statements as an operator does.
func operate(t testing.TB, p *brokertest.PostgresServer, statements ...string) {
	t.Helper()
	_, err := p.SQL(statements...)
	require.NoError(t, err)
}

// terminate ends the connections of all clients.
const terminate = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
	WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`

// guest is a queue with a pool of its own.
type guest struct {
	*postgres.Queue
	pool *pgxpool.Pool
}

func openGuest(at, name string) (chaos.Guest, error) { return openQueue(at, name) }

func openQueue(at, name string) (*guest, error) {
	cfg, err := pgxpool.ParseConfig(at)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 4
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	b, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		return nil, err
	}
	return &guest{b.Queue(name), pool}, nil
}

// DeadLetters implements chaos.Guest.
func (g *guest) DeadLetters(ctx context.Context, limit int) ([]queue.Message, error) {
	var all []queue.Message
	for letter, err := range g.Letters().All(ctx, queue.LetterFilter{}) {
		if err != nil {
			return nil, err
		}
		if all = append(all, letter.Message); len(all) == limit {
			break
		}
	}
	return all, nil
}

// Delete implements chaos.Guest.
func (g *guest) Delete(ctx context.Context) error {
	for _, from := range []string{"job", "letter", "unique_key"} {
		if _, err := g.pool.Exec(ctx, "DELETE FROM gentask."+from+" WHERE queue = $1", g.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Close implements chaos.Guest.
func (g *guest) Close() error {
	g.pool.Close()
	return nil
}

// held returns a connection in whose transaction a row was written, which keeps everything that
// becomes dead from being removed. Its end commits.
func held(t testing.TB, at string) (end func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, at)
	require.NoError(t, err)
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS public.held (n int)", "BEGIN ISOLATION LEVEL REPEATABLE READ", "INSERT INTO public.held VALUES (1)",
	} {
		_, err = conn.Exec(ctx, sql)
		require.NoError(t, err)
	}
	return func() {
		_, err := conn.Exec(ctx, "COMMIT")
		require.NoError(t, err)
		require.NoError(t, conn.Close(ctx))
	}
}

// uniqueName is a queue's that no other test has.
func uniqueName(t testing.TB) string {
	t.Helper()
	return strings.ToLower(t.Name())
}
