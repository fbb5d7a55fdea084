package watermill

import (
	"context"
	"crypto/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/queuetest"
)

// TestConformanceOnRabbitMQ: over watermill-amqp, with one subscription for each slot.
func TestConformanceOnRabbitMQ(t *testing.T) {
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		r := newRabbit(t)
		return queuetest.Fixture{
			Source: r.queue, Publisher: r.queue, DeadLetters: r.deadLetters, Break: r.cut,
			Lacks: map[queuetest.Capability]string{
				queuetest.Letters:   "watermill can only subscribe to dead letters, and that takes them",
				queuetest.NotBefore: "a delay needs Config.Delayed",
				queuetest.Priority:  "watermill knows none",
				queuetest.Unique:    "watermill knows none", queuetest.UniqueUntilDone: "likewise",
				queuetest.Delay: "watermill-amqp knows no delay, and Config.Hold keeps the message in the session",
				queuetest.Loss:  "watermill-amqp reconnects without notice",
			},
		}
	})
}

// rabbit is a queue at a real RabbitMQ, over watermill-amqp.
type rabbit struct {
	queue *Queue
	dead  string

	mu    sync.Mutex
	conns []net.Conn // of the subscriber
}

func newRabbit(t testing.TB) *rabbit {
	t.Helper()
	url := brokertest.RabbitMQ(t)
	topic := "gentask-test-" + strings.ToLower(rand.Text()[:12])
	r := &rabbit{dead: topic + ".dead"}
	t.Cleanup(func() { r.admin(t, func(ch *amqp.Channel) { remove(t, ch, topic, r.dead) }) })
	cfg := wmamqp.NewDurableQueueConfig(url)
	cfg.Publish.ConfirmDelivery = true
	cfg.Consume.Qos.PrefetchCount = 1 // or the first subscription would keep all from the others
	publisher, err := wmamqp.NewPublisher(cfg, wm.NopLogger{})
	require.NoError(t, err)
	cfg.Connection.AmqpConfig = &amqp.Config{Dial: r.dial}
	cfg.Connection.Reconnect = &wmamqp.ReconnectConfig{
		BackoffInitialInterval: 20 * time.Millisecond, BackoffMultiplier: 1.5, BackoffMaxInterval: time.Second,
	}
	subscriber, err := wmamqp.NewSubscriber(cfg, wm.NopLogger{})
	require.NoError(t, err)
	r.queue, err = New(subscriber, topic, Config{
		Publisher: publisher, Subscriptions: -1, Hold: true, Redelivered: wmamqp.IsMessageRedelivered,
	})
	require.NoError(t, err)
	require.NoError(t, r.queue.initialize())
	t.Cleanup(func() {
		require.NoError(t, subscriber.Close())
		require.NoError(t, publisher.Close())
		r.queue.Close()
	})
	return r
}

// dial keeps the connection, to cut it.
func (r *rabbit) dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.conns = append(r.conns, conn)
	}
	return conn, err
}

// cut cuts the subscriber's connections.
func (r *rabbit) cut() {
	if !cuttable {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		_ = conn.Close() // the older ones are closed
	}
	r.conns = nil
}

// admin runs f with a channel of the bare client.
func (r *rabbit) admin(t testing.TB, f func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	f(ch)
}

func remove(t testing.TB, ch *amqp.Channel, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := ch.QueueDelete(name, false, false, false)
		require.NoError(t, err)
	}
}

// deadLetters returns the dead letters, which go back when the connection ends.
func (r *rabbit) deadLetters(context.Context) (letters []queue.Message, err error) {
	url, err := brokertest.FindRabbitMQ()
	if err != nil {
		return nil, err
	}
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	for {
		raw, ok, err := ch.Get(r.dead, false)
		if err != nil || !ok {
			return letters, err
		}
		msg, err := wmamqp.DefaultMarshaler{}.Unmarshal(raw)
		if err != nil {
			return nil, err
		}
		letters = append(letters, decode(msg))
	}
}
