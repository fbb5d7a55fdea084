package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// killRole is what a process of the test is, with its schema; empty for the test itself.
const killRole = "POSTGRES_TEST_ROLE"

// play plays a role, if this process has one: it does its part, says so, and waits to be killed.
func play() {
	text := os.Getenv(killRole)
	if text == "" {
		return
	}
	role, schema, _ := strings.Cut(text, ": ")
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, url())
	if err == nil {
		var b *postgres.Broker
		if b, err = postgres.New(pool, postgres.Config{Schema: schema, Lease: 500 * time.Millisecond}); err == nil {
			err = roles[role](ctx, pool, b.Queue("q"))
		}
	}
	fmt.Println("done", err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
	os.Exit(0)
}

var roles = map[string]func(ctx context.Context, pool *pgxpool.Pool, q *postgres.Queue) error{
	"publishes": func(ctx context.Context, _ *pgxpool.Pool, q *postgres.Queue) error {
		return q.Publish(ctx, locked("a", "k"))
	},
	"publishes, and does not commit": func(ctx context.Context, pool *pgxpool.Pool, q *postgres.Queue) error {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return err
		}
		return q.PublishTx(ctx, tx, locked("a", "k"))
	},
	"works": func(ctx context.Context, _ *pgxpool.Pool, q *postgres.Queue) error {
		s, err := q.Open(ctx, queue.Options{Prefetch: 1})
		if err == nil {
			_, err = s.Receive(ctx)
		}
		return err
	},
}

// killed plays a role in another process, and kills that when the role is done.
func killed(t *testing.T, role, schema string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := osexec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killRole+"="+role+": "+schema, "GENTASK_POSTGRES_URL="+url())
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "done <nil>\n", line)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), "it was killed")
}

// A key goes with the transaction of a publisher that is killed, and otherwise stays until the job
// is done, however many processes die that publish it and work on it.
func TestUntilDone_Killed(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	taken := func() bool {
		t.Helper()
		results, err := q.PublishResults(t.Context(), locked("b", "k"))
		require.NoError(t, err)
		return results[0].Duplicate
	}
	killed(t, "publishes, and does not commit", schema)
	require.False(t, taken())
	s := open(t, q, 1)
	ack(t, s, receive(t, s))
	require.NoError(t, s.Close(t.Context()))

	killed(t, "publishes", schema)
	for range 3 {
		require.True(t, taken())
		killed(t, "works", schema)
	}
	require.True(t, taken())
	s = open(t, q, 1)
	d := receive(t, s)
	require.Equal(t, "a", d.ID)
	require.Equal(t, 4, d.Attempt)
	require.True(t, taken())
	ack(t, s, d)
	require.False(t, taken())
}
