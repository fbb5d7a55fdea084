package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/postgres/outbox"
)

// role is what a process of the test is, with its arguments; empty for the test itself.
const role = "OUTBOX_TEST_ROLE"

// The order of the arguments of a role: the database, the broker's port, its directory, the number
// of the application, and how many transactions it commits.
const (
	roleName = iota
	roleDatabase
	rolePort
	roleDir
	roleNumber
	roleCommits
)

// play plays a role, if this process has one.
func play() {
	text := os.Getenv(role)
	if text == "" {
		return
	}
	args := strings.Split(text, " ")
	err := map[string]func([]string) error{
		"application": application, "relay": relayForever, "broker": natsServer,
	}[args[roleName]](args)
	if err != nil {
		fmt.Fprintln(os.Stderr, args[roleName], err)
		os.Exit(1)
	}
	os.Exit(0)
}

// killedSchema holds the tables of the test, in a database of its own.
const killedSchema = "gentask"

// killedKeys is how many keys an application uses.
const killedKeys = 5

// application commits transactions, each with a row and a message, and rolls back as many. It goes
// on where the last process of its number was killed.
func application(args []string) error {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, args[roleDatabase])
	if err != nil {
		return err
	}
	box, err := killedOutbox(pool)
	if err != nil {
		return err
	}
	commits, err := strconv.Atoi(args[roleCommits])
	if err != nil {
		return err
	}
	again := time.NewTicker(20 * time.Millisecond)
	for n := 0; ; n++ {
		key := fmt.Sprintf("%s-%d", args[roleNumber], rand.IntN(killedKeys))
		done := 0
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var seq int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM truth WHERE key = $1`, key).Scan(&seq); err != nil {
				return err
			}
			of := args[roleNumber] + "-%"
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM truth WHERE key LIKE $1`, of).Scan(&done); err != nil || done >= commits {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO truth (key, seq) VALUES ($1, $2)`, key, seq); err != nil {
				return err
			}
			m := queue.Message{ID: fmt.Sprintf("%s/%d", key, seq), Headers: map[string]string{"key": key}}
			if n%2 == 1 {
				m.ID += "/phantom"
			}
			if err := box.PublishTx(ctx, tx, "jobs", m); err != nil {
				return err
			}
			if n%2 == 1 {
				return errRolledBack
			}
			return nil
		})
		switch {
		case done >= commits:
			return nil
		case err != nil && !errors.Is(err, errRolledBack):
			<-again.C // the database is away
		}
	}
}

var errRolledBack = errors.New("rolled back")

func killedOutbox(pool *pgxpool.Pool) (*outbox.Outbox, error) {
	db, err := postgres.New(pool, postgres.Config{Schema: killedSchema})
	if err != nil {
		return nil, err
	}
	return outbox.New(db, outbox.Config{Key: gentask.KeyHeader("key"), Timeout: 5 * time.Second})
}

// relayForever relays until it is killed.
func relayForever(args []string) error {
	pool, err := pgxpool.New(context.Background(), args[roleDatabase])
	if err != nil {
		return err
	}
	box, err := killedOutbox(pool)
	if err != nil {
		return err
	}
	broker, err := nats.New("nats://127.0.0.1:"+args[rolePort], nats.Config{})
	if err != nil {
		return err
	}
	return box.Relay(context.Background(), map[string]queue.Publisher{"jobs": broker.Queue("jobs")})
}

// natsServer serves until it is killed. What it has confirmed is on its disk.
func natsServer(args []string) error {
	port, err := strconv.Atoi(args[rolePort])
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: args[roleDir], NoSigs: true, NoLog: true, SyncAlways: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	s.WaitForShutdown()
	return nil
}

// killed is the processes of the test, and the database.
type killed struct {
	t     *testing.T
	db    *brokertest.PostgresServer
	args  []string
	procs map[string]*exec.Cmd
	ended map[string]chan error
}

// start starts a process: a role, or a role and its number.
func (k *killed) start(name string) {
	args := append([]string{}, k.args...)
	args[roleName], args[roleNumber], _ = strings.Cut(name, " ")
	self, err := os.Executable()
	require.NoError(k.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), role+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	require.NoError(k.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	k.procs[name], k.ended[name] = cmd, ended
}

// kill kills a process, and waits for its end.
func (k *killed) kill(name string) {
	_ = k.procs[name].Process.Kill() // it may have ended
	<-k.ended[name]                  //nolint:errcheck // it was killed
	delete(k.procs, name)
}

// over reports whether a process has ended by itself, and requires that it ended well.
func (k *killed) over(name string) bool {
	select {
	case err := <-k.ended[name]:
		require.NoError(k.t, err, name)
		k.ended[name] <- nil
		return true
	default:
		return false
	}
}

// TestKilled: applications, relays, the database and the broker are killed at random, while half of
// the transactions are rolled back. What was committed is published, nothing else is, and the order
// of each key is kept. GENTASK_CHAOS=full commits 5,000 transactions in place of 400.
func TestKilled(t *testing.T) {
	commits, between := 200, 10
	if os.Getenv("GENTASK_CHAOS") == "full" {
		commits, between = 2500, 25
	}
	db, err := brokertest.StartPostgres(brokertest.PostgresConfig{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.SQL(`CREATE TABLE truth (key text, seq int, PRIMARY KEY (key, seq))`)
	require.NoError(t, err)
	pool, err := pgxpool.New(t.Context(), db.URL())
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, postgres.Migrate(t.Context(), pool, postgres.Config{Schema: killedSchema}))

	k := &killed{
		t: t, db: db, procs: map[string]*exec.Cmd{}, ended: map[string]chan error{},
		args: []string{"", db.URL(), freePort(t), filepath.Join(t.TempDir(), "js"), "", strconv.Itoa(commits)},
	}
	defer func() {
		for name := range k.procs {
			k.kill(name)
		}
	}()
	for _, name := range []string{"broker", "relay 1", "relay 2", "application 1", "application 2"} {
		k.start(name)
	}
	kills := k.killUntilDone(pool, between)
	require.NotEmpty(t, kills)
	want := k.committed(pool)
	require.Len(t, want, 2*commits)
	k.requireEmpty(pool)
	repeated := requireArrived(t, want, k.published())
	t.Logf("%d transactions committed; killed: %v; %d messages published twice", len(want), kills, repeated)
}

// killUntilDone kills, and starts again, one thing after the other, until the applications are
// done. Between two kills at least so many transactions commit.
func (k *killed) killUntilDone(pool *pgxpool.Pool, between int) map[string]int {
	kills := map[string]int{}
	victims := []string{"application 1", "relay 1", "database", "broker", "application 2", "relay 2"}
	for turn := 0; !k.over("application 1") || !k.over("application 2"); turn++ {
		if turn%len(victims) == 0 { // each of them once, in another order
			rand.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		}
		victim := victims[turn%len(victims)]
		switch {
		case victim == "database":
			require.NoError(k.t, k.db.Kill())
			require.NoError(k.t, k.db.Start())
		case k.over(victim): // an application that is done
			continue
		default:
			k.kill(victim)
			k.start(victim)
		}
		kills[strings.TrimRight(victim, " 12")]++
		start := len(k.committed(pool))
		require.Eventually(k.t, func() bool {
			return k.over("application 1") && k.over("application 2") || len(k.committed(pool)) >= start+between
		}, patience, 10*time.Millisecond)
	}
	return kills
}

// committed returns the messages of the transactions that were committed, by key and in order.
func (k *killed) committed(pool *pgxpool.Pool) []string {
	var all []string
	require.Eventually(k.t, func() bool {
		rows, err := pool.Query(k.t.Context(), `SELECT key || '/' || seq FROM truth ORDER BY key, seq`)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err == nil
	}, patience, 20*time.Millisecond)
	return all
}

// requireEmpty waits until nothing is in the outbox.
func (k *killed) requireEmpty(pool *pgxpool.Pool) {
	box, err := killedOutbox(pool)
	require.NoError(k.t, err)
	require.Eventually(k.t, func() bool {
		stats, err := box.Queue("jobs").Inspect(k.t.Context())
		return err == nil && stats.Ready+stats.Delayed+stats.Held == 0
	}, patience, 20*time.Millisecond)
	stats, err := box.Queue("jobs").Inspect(k.t.Context())
	require.NoError(k.t, err)
	require.Zero(k.t, stats.DeadLettered)
}

// published returns the ids of the messages at the broker, in their order.
func (k *killed) published() []string {
	nc, err := natsgo.Connect("nats://127.0.0.1:" + k.args[rolePort])
	require.NoError(k.t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(k.t, err)
	stream, err := js.Stream(k.t.Context(), "jobs")
	require.NoError(k.t, err)
	info, err := stream.Info(k.t.Context())
	require.NoError(k.t, err)
	var ids []string
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(k.t.Context(), seq)
		require.NoError(k.t, err)
		ids = append(ids, m.Header.Get("gentask-id"))
	}
	return ids
}

// requireArrived requires that what arrived is what was committed, in the order of each key, and
// returns how many arrived more than once.
func requireArrived(t *testing.T, want, got []string) (repeated int) {
	t.Helper()
	seen := map[string]bool{}
	var firsts []string
	last := map[string]int{}
	for _, id := range got {
		if seen[id] {
			repeated++
			continue
		}
		seen[id] = true
		firsts = append(firsts, id)
		key, number, _ := strings.Cut(id, "/")
		seq, err := strconv.Atoi(number)
		require.NoError(t, err, "a phantom: %s", id)
		if last[key] != seq {
			require.Equal(t, last[key], seq, "the order of %s in %v", key, slices.DeleteFunc(got, func(id string) bool {
				return !strings.HasPrefix(id, key+"/")
			}))
		}
		last[key] = seq + 1
	}
	require.ElementsMatch(t, want, firsts)
	return repeated
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}
