package embedded

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/queuetest"
)

// childDir makes the test binary a process that opens that directory, and does what childRole says.
const (
	childDir  = "GENTASK_TEST_EMBEDDED_DIR"
	childRole = "GENTASK_TEST_EMBEDDED_ROLE"
)

var children = map[string]func(dir string) (exit int){"hold": child, "work": worker}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(children[os.Getenv(childRole)](dir))
	}
	goleak.VerifyTestMain(m)
}

// newBroker opens a broker that is closed after the test.
func newBroker(t testing.TB, dir string, cfg Config) *Broker {
	t.Helper()
	b, err := Open(dir, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// soon returns a context that bounds all waits of a test.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until f returns nil.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for ctx := soon(t); ctx.Err() == nil; {
		if err = f(); err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	t.Fatal(err)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := newBroker(t, t.TempDir(), Config{Queues: nats.Config{Lease: time.Second}})
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		q := b.Queue("q" + rand.Text())
		return queuetest.Fixture{
			Source:      q,
			Publisher:   q,
			DeadLetters: func(ctx context.Context) ([]queue.Message, error) { return q.DeadLetters(ctx, 1000) },
			Letters:     q.Letters(),
			Bury: func(ctx context.Context,
				msgs ...queue.Message,
			) error {
				return bury(ctx, b.host.current(), q.Name(), msgs)
			},
			Break: func() { kick(t, b.host.current()) },
			Lacks: map[queuetest.Capability]string{
				queuetest.Priority:        "JetStream keeps the order of publishing",
				queuetest.UniqueUntilDone: "JetStream compares within a window",
			},
		}
	})
}

// bury puts messages into the dead-letter queue with a bare client.
func bury(ctx context.Context, s *server.Server, name string, msgs []queue.Message) error {
	nc, err := natsgo.Connect("", natsgo.InProcessServer(s))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return brokertest.Bury(ctx, js, name+"-dead", msgs)
}

// kick ends the connection of every session from the server's side.
func kick(t testing.TB, s *server.Server) {
	t.Helper()
	conns, err := s.Connz(&server.ConnzOptions{Limit: 1000})
	require.NoError(t, err)
	for _, c := range conns.Conns {
		if strings.HasSuffix(c.Name, " publisher") {
			continue
		}
		_ = s.DisconnectClientByID(c.Cid) // it may have ended already
	}
}
