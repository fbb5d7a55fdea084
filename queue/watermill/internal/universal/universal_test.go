//go:build matrix

package universal

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// features are those of every driver. What is off:
//
//   - ConsumerGroups: a queue gives each message to one consumer. Groups are several queues.
//   - ExactlyOnceDelivery: deliveries are at least once.
//   - GuaranteedOrder among several subscribers: they compete, so messages overtake each other.
//   - NewSubscriberReceivesOldMessages: a message that was acknowledged is gone.
//   - ContextPreserved: the message has travelled.
//   - RestartServiceCommand: the brokers are shared. Reconnecting is the consumer's, and package
//     chaos tests it.
var features = tests.Features{
	GuaranteedOrder:                     true,
	GuaranteedOrderWithSingleSubscriber: true,
	Persistent:                          true,
}

// run runs the suite. Each driver gets the messages of its own topics only.
func run(t *testing.T, of func(name string) topic) {
	t.Helper()
	tests.TestPubSub(t, features, func(*testing.T) (message.Publisher, message.Subscriber) {
		return newPublisher(of), newSubscriber(of)
	}, nil)
}

func TestUniversalMemory(t *testing.T) {
	var mu sync.Mutex
	queues := map[string]*memory.Queue{}
	run(t, func(name string) topic {
		mu.Lock()
		defer mu.Unlock()
		if queues[name] == nil {
			queues[name] = memory.New(memory.Config{Name: name})
		}
		return queues[name]
	})
}

func TestUniversalEmbedded(t *testing.T) {
	b, err := embedded.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	run(t, func(name string) topic { return b.Queue(name) })
}

func TestUniversalNATS(t *testing.T) {
	b, err := nats.New(brokertest.OwnNATS(t), nats.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	run(t, func(name string) topic { return b.Queue(name) })
}

func TestUniversalRabbitMQ(t *testing.T) {
	url := brokertest.RabbitMQ(t)
	b, err := rabbitmq.New(url, rabbitmq.Config{})
	require.NoError(t, err)
	var mu sync.Mutex
	queues := map[string]*rabbitmq.Queue{}
	t.Cleanup(func() {
		assert.NoError(t, b.Close())
		remove(t, url, queues)
	})
	run(t, func(name string) topic {
		mu.Lock()
		defer mu.Unlock()
		if queues[name] == nil {
			queues[name] = b.Queue("gentask-test-" + strings.ToLower(name))
		}
		return queues[name]
	})
}

// remove deletes the queues, and those of their dead letters.
func remove(t *testing.T, url string, queues map[string]*rabbitmq.Queue) {
	t.Helper()
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: 10 * time.Second})
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	for _, q := range queues {
		for _, name := range []string{q.Name(), q.Name() + ".dead"} {
			_, err := ch.QueueDelete(name, false, false, false)
			assert.NoError(t, err)
		}
	}
}
