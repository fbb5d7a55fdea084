package main

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// place is a real broker, with a queue and a fleet of the test's own.
type place struct {
	system string
	flags  []string // that name it
	queue  string
	fleet  string
	peeks  bool
}

// args returns the arguments of a command at the place.
func (p place) args(args ...string) []string {
	return append(p.flags[:len(p.flags):len(p.flags)], args...)
}

// everywhere runs a test on each broker, beside each other.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	for name, make := range map[string]func(t *testing.T, p place) place{
		"RabbitMQ": atRabbitMQ, "JetStream": atJetStream, "PostgreSQL": atPostgres, "Embedded": atDirectory,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := strings.ToLower(rand.Text()[:10])
			test(t, make(t, place{system: name, queue: "cli_" + id, fleet: "cli-" + id}))
		})
	}
}

func atRabbitMQ(t *testing.T, p place) place {
	url := brokertest.RabbitMQ(t)
	p.flags = []string{"--url", url, "--fleet", p.fleet}
	t.Cleanup(func() {
		broker, err := rabbitmq.New(url)
		require.NoError(t, err)
		defer broker.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, broker.Queue(p.queue).Delete(ctx))
		conn, err := amqp.Dial(url)
		require.NoError(t, err)
		defer conn.Close()
		ch, err := conn.Channel()
		require.NoError(t, err)
		_, err = ch.QueueDelete("gentask.store."+p.fleet, false, false, false)
		require.NoError(t, err)
		require.NoError(t, ch.ExchangeDelete("gentask.bus."+p.fleet, false, false))
	})
	return p
}

func atJetStream(t *testing.T, p place) place { return atNATS(t, p, brokertest.NATS(t)) }

// current returns the place on a server of the newest version, where the one of the machine may be
// too old for a fleet.
func (p place) current(t *testing.T) place {
	t.Helper()
	if p.system != "JetStream" {
		return p
	}
	return atNATS(t, p, brokertest.OwnNATS(t))
}

func atNATS(t *testing.T, p place, url string) place {
	p.peeks = true
	p.flags = []string{"--url", url, "--fleet", p.fleet}
	t.Cleanup(func() {
		conn, err := natsgo.Connect(url)
		require.NoError(t, err)
		defer conn.Close()
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, stream := range []string{p.queue, p.queue + "-dead", p.queue + "-keys", "KV_gentask_" + p.fleet} {
			_ = js.DeleteStream(ctx, stream) // not each test makes all of them
		}
	})
	return p
}

func atPostgres(t *testing.T, p place) place {
	url := brokertest.Postgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pool, err := pgxpool.New(ctx, url)
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(ctx, pool, postgres.Config{Schema: p.queue}))
	t.Cleanup(func() {
		_, err := pool.Exec(context.Background(), "DROP SCHEMA "+p.queue+" CASCADE")
		pool.Close()
		require.NoError(t, err)
	})
	p.peeks = true
	p.flags = []string{"--url", url, "--fleet", p.fleet, "--schema", p.queue}
	return p
}

func atDirectory(t *testing.T, p place) place {
	p.peeks = true
	p.flags = []string{"--url", "file:" + t.TempDir(), "--fleet", p.fleet}
	return p
}

// call runs a command at the place.
func (p place) call(t *testing.T, in string, args ...string) outcome {
	t.Helper()
	return call(t, in, p.args(args...)...)
}

// must runs a command that should be done, and returns its output.
func (p place) must(t *testing.T, in string, args ...string) string {
	t.Helper()
	o := p.call(t, in, args...)
	require.Zero(t, o.code, "%s: %s%s", args, o.out, o.err)
	return o.out
}

// ready waits until the broker counts so many messages as ready.
func (p place) ready(t *testing.T, n float64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return objects(t, p.must(t, "", "queues", p.queue, "--json"))[0]["ready"] == n
	}, patience, 50*time.Millisecond)
}
