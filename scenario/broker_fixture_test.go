package scenario_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// patience bounds what a real broker is asked at the end of a test.
const driverGrace = 30 * time.Second

// onServers runs a scenario on real RabbitMQ and on real JetStream, in real time.
func onServers(t *testing.T, scenario func(r *rig.Rig)) {
	t.Helper()
	for _, b := range servers() {
		t.Run(b.Name, func(t *testing.T) { b.Run(t, scenario) })
	}
}

func servers() []rig.Broker { return []rig.Broker{onRabbitMQ(rabbitmq.Quorum), onJetStream()} }

// onRabbitMQ is a RabbitMQ server. Consumers reach it by way of a proxy, so that they can be cut
// off; all else goes straight to it. When a test is over, the broker must have nothing left in the
// queue.
func onRabbitMQ(kind rabbitmq.QueueType) rig.Broker {
	return rig.Broker{Name: "RabbitMQ " + string(kind), Queue: func(t testing.TB) rig.Fixture {
		t.Helper()
		at, name := brokertest.RabbitMQ(t), uniqueName()
		p := brokertest.NewProxy(t, at)
		open := func(at string) *rabbitmq.Queue {
			b, err := rabbitmq.New(at, rabbitmq.Config{Type: kind})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			return b.Queue(name)
		}
		direct := open(at)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), driverGrace)
			defer cancel()
			if stats, err := direct.Inspect(ctx); !t.Failed() {
				require.NoError(t, err)
				require.Zero(t, stats.Ready, "messages left in the queue")
				require.Zero(t, stats.Consumers, "consumers left at the queue")
			}
			require.NoError(t, direct.Delete(ctx)) // with its delay queues
		})
		var f rig.Fixture
		f.Source, f.Publisher, f.Break = open(p.URL()), direct, p.Cut
		f.DeadLetters = func(ctx context.Context) ([]queue.Message, error) { return direct.DeadLetters(ctx, 1000) }
		return f
	}}
}

// onJetStream is a NATS server. Consumers reach it by way of a proxy, as with onRabbitMQ.
func onJetStream() rig.Broker {
	return rig.Broker{Name: "JetStream", Queue: func(t testing.TB) rig.Fixture {
		t.Helper()
		at, name := brokertest.NATS(t), uniqueName()
		p, js := brokertest.NewProxy(t, at), bareJetStream(t, at)
		open := func(at string) *nats.Queue {
			b, err := nats.New(at, nats.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			return b.Queue(name)
		}
		t.Cleanup(func() { deleteStreams(t, js, name, name+"-dead") })
		f := jetStreamFixture(open(at))
		f.Source, f.Break = open(p.URL()), p.Cut
		f.Left = func(ctx context.Context) (int, error) {
			s, err := js.Stream(ctx, name)
			if err != nil {
				return 0, err
			}
			return int(s.CachedInfo().State.Msgs), nil
		}
		return f
	}}
}

// onEmbedded is JetStream in the process, which can't be cut off.
func onEmbedded() rig.Broker {
	return rig.Broker{Name: "embedded", Queue: func(t testing.TB) rig.Fixture {
		t.Helper()
		b, err := embedded.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return jetStreamFixture(b.Queue(uniqueName()))
	}}
}

// jetStreamFixture has no Held: JetStream counts what waits to be delivered again with what is
// held. It has no Left either: for a moment after the first session has made the queue's consumer,
// the server reports that nothing is pending.
func jetStreamFixture(q *nats.Queue) rig.Fixture {
	var f rig.Fixture
	f.Source, f.Publisher = q, q
	f.DeadLetters = func(ctx context.Context) ([]queue.Message, error) { return q.DeadLetters(ctx, 1000) }
	return f
}

// uniqueName is a queue's that no other test, and no other run, has.
func uniqueName() string { return "gentask-test-" + strings.ToLower(rand.Text()[:12]) }

func bareJetStream(t testing.TB, at string) jetstream.JetStream {
	t.Helper()
	conn, err := natsgo.Connect(at)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

func deleteStreams(t testing.TB, js jetstream.JetStream, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), driverGrace)
	defer cancel()
	for _, name := range names {
		if err := js.DeleteStream(ctx, name); err != nil {
			require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
		}
	}
}
