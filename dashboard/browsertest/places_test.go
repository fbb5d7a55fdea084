package browsertest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// work is a queue of any driver.
type work interface {
	queue.Source
	queue.Publisher
	dashboard.Queue
}

// place is a broker with queues that no other test has. What it makes is gone after the test.
type place struct {
	fleet.Broker
	tag   string // in the name of all that it makes
	queue func(name string) work
}

// places opens each kind of broker.
var places = map[string]func(t testing.TB) place{
	"memory":     inMemory,
	"embedded":   inDirectory,
	"jetstream":  atJetStream,
	"rabbitmq":   atRabbitMQ,
	"postgresql": atPostgres,
}

// lease is long, so that a busy machine costs no session.
const lease = 20 * time.Second

func newTag() string { return "t" + strings.ToLower(rand.Text()[:8]) }

func inMemory(t testing.TB) place {
	t.Helper()
	tag := newTag()
	return place{memory.NewBroker(), tag, func(name string) work {
		q := memory.New(memory.Config{Name: tag + "-" + name})
		t.Cleanup(q.Close)
		return q
	}}
}

func inDirectory(t testing.TB) place {
	t.Helper()
	b, err := embedded.Open(t.TempDir(), embedded.Config{Queues: nats.Config{Lease: lease}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	tag := newTag()
	return place{b, tag, func(name string) work { return b.Queue(tag + "-" + name) }}
}

func atJetStream(t testing.TB) place {
	t.Helper()
	b, err := nats.New(brokertest.OwnNATS(t), nats.Config{Lease: lease}) // an older server has no stores for a fleet
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	tag := newTag()
	return place{b, tag, func(name string) work { return b.Queue(tag + "-" + name) }}
}

func atRabbitMQ(t testing.TB) place {
	t.Helper()
	url, tag := brokertest.RabbitMQ(t), newTag()
	b, err := rabbitmq.New(url)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, errors.Join(b.Close(), deleteSeams(url, tag)))
	})
	return place{b, tag, func(name string) work {
		q := b.Queue(tag + "-" + name)
		t.Cleanup(func() { require.NoError(t, q.Delete(context.Background())) })
		return q
	}}
}

// deleteSeams deletes what the bus and the store of a fleet leave at RabbitMQ.
func deleteSeams(url, name string) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueueDelete("gentask.store."+name, false, false, false)
	return errors.Join(err, ch.ExchangeDelete("gentask.bus."+name, false, false))
}

func atPostgres(t testing.TB) place {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), brokertest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	tag := newTag()
	cfg := postgres.Config{Schema: tag}
	require.NoError(t, postgres.Migrate(t.Context(), pool, cfg))
	t.Cleanup(func() {
		_, err := pool.Exec(context.Background(), "DROP SCHEMA "+tag+" CASCADE")
		require.NoError(t, err)
	})
	cfg.Lease = lease
	b, err := postgres.New(pool, cfg)
	require.NoError(t, err)
	return place{b, tag, func(name string) work { return b.Queue(tag + "-" + name) }}
}
