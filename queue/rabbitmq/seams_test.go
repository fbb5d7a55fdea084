package rabbitmq_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/queuetest"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// server is a broker of the test's own, which is killed.
type server struct {
	*chaos.RabbitMQ
	t testing.TB
}

func startServer(t testing.TB) *server {
	t.Helper()
	r, err := chaos.StartRabbitMQ(1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return &server{r, t}
}

func (s *server) restart() {
	s.Kill(0)
	require.NoError(s.t, s.Start(0))
}

func newBroker(t testing.TB, url string) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.New(url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestBusConformance(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	queuetest.RunBus(t, func(t testing.TB) queuetest.BusFixture {
		name := strings.ToLower(rand.Text())
		gate := brokertest.NewProxy(t, s.URL(0))
		b, aside := newBroker(t, gate.URL()), newBroker(t, s.URL(0))
		return queuetest.BusFixture{
			Open:    func(ctx context.Context) (queue.Bus, error) { return b.Bus(ctx, name) },
			Aside:   func(ctx context.Context) (queue.Bus, error) { return aside.Bus(ctx, name) },
			Cut:     gate.Refuse,
			Restore: gate.Open,
			Kill:    s.restart,
		}
	})
}

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture {
		name := strings.ToLower(rand.Text())
		gate := brokertest.NewProxy(t, s.URL(0))
		b, aside := newBroker(t, gate.URL()), newBroker(t, s.URL(0))
		return queuetest.StoreFixture{
			Open:        func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, name) },
			Aside:       func(ctx context.Context) (queue.Store, error) { return aside.Store(ctx, name) },
			Cut:         gate.Refuse,
			LoseAnswers: gate.Mute,
			Restore:     gate.Open,
			Kill:        s.restart,
			Wipe:        func() { require.NoError(t, queueDeleted(s.URL(0), "gentask.store."+name)) },
		}
	})
}

// TestStoreOpensOverASlowNetwork: a log may take longer than a broker that is silent.
func TestStoreOpensOverASlowNetwork(t *testing.T) {
	t.Parallel()
	at, name := brokertest.RabbitMQ(t), strings.ToLower(rand.Text())
	writer, err := newBroker(t, at).Store(t.Context(), name)
	require.NoError(t, err)
	value := make([]byte, 50<<10)
	for i := range 60 {
		_, err := writer.Put(t.Context(), fmt.Sprint("k", i), value, queue.Always, 0)
		require.NoError(t, err)
	}
	gate := brokertest.NewProxy(t, at)
	gate.Filter(func(b []byte) []byte {
		<-time.After(time.Duration(len(b)) * time.Second / 500_000) // bytes a second
		return b
	})
	start := time.Now()
	reader, err := newBroker(t, gate.URL()).Store(t.Context(), name)
	require.NoError(t, err)
	require.Greater(t, time.Since(start), 5*time.Second, "it was not slow")
	n, err := reader.Count(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, 60, n)
	require.NoError(t, reader.Close())
	require.NoError(t, writer.Close())
	require.NoError(t, queueDeleted(at, "gentask.store."+name))
}

// TestStoreIsBackSoon: a connection that is lost while it is made costs no more than another one.
func TestStoreIsBackSoon(t *testing.T) {
	t.Parallel()
	at, name := brokertest.RabbitMQ(t), strings.ToLower(rand.Text())
	gate := brokertest.NewProxy(t, at)
	s, err := newBroker(t, gate.URL()).Store(t.Context(), name)
	require.NoError(t, err)
	defer s.Close()
	aside, err := newBroker(t, at).Store(t.Context(), name)
	require.NoError(t, err)
	defer aside.Close()
	changes := make(chan queue.Revision, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		for c, err := range s.Watch(ctx, "") {
			require.NoError(t, err)
			changes <- c.Record.Revision
		}
	})
	<-changes
	start := time.Now()
	for range 10 {
		gate.Cut() // while the last connection is still being made
		want, err := aside.Put(t.Context(), "k", nil, queue.Always, 0)
		require.NoError(t, err)
		for got := range changes {
			if got == want {
				break
			}
		}
	}
	require.Less(t, time.Since(start), 8*time.Second)
	require.NoError(t, queueDeleted(at, "gentask.store."+name))
}

// TestSeamsOfALimitedUser: the rights of docs/drivers.md are enough, and one that is missing is
// ErrConfig at once. A broker in alarm is unavailable.
func TestSeamsOfALimitedUser(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	b := newBroker(t, s.URL(0))
	rights := func(configure, write, read string) {
		require.NoError(t, s.Ctl("set_permissions", "-p", "/", chaos.User, configure, write, read))
	}
	rights(`^gentask\.store\.fleet(\.new)?$`, `^amq\.default$`, `^gentask\.store\.fleet$`)
	store, err := b.Store(t.Context(), "fleet")
	require.NoError(t, err)
	defer store.Close()
	_, err = store.Put(t.Context(), "k", nil, queue.Always, 0)
	require.NoError(t, err)
	_, err = b.Bus(t.Context(), "fleet")
	require.ErrorIs(t, err, queue.ErrConfig)

	rights(`^gentask\.(bus\.fleet|node\..*)$`, `^(amq\.default|gentask\.(bus\.fleet|node\..*))$`,
		`^gentask\.(bus\.fleet|node\..*)$`)
	bus, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	defer bus.Close()
	_, err = bus.Answer("who", func([]byte) []byte { return []byte("me") })
	require.NoError(t, err)
	require.Equal(t, "me", firstAnswer(t, bus))
	_, err = b.Store(t.Context(), "other")
	require.ErrorIs(t, err, queue.ErrConfig)

	bus = guestBus(t, s) // the user may not answer from now on
	_, err = bus.Answer("who", func([]byte) []byte { return []byte("me") })
	require.NoError(t, err)
	rights(`^gentask\.bus\.fleet$`, `^gentask\.bus\.fleet$`, "^$")
	second, err := b.Bus(t.Context(), "fleet")
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, "me", firstAnswer(t, second), "it may ask")
	_, err = second.Answer("who", func([]byte) []byte { return nil })
	require.ErrorIs(t, err, queue.ErrConfig, "it may not declare its queue")
	require.Equal(t, "me", firstAnswer(t, second), "it may still ask")
	rights(".*", ".*", ".*")

	require.NoError(t, s.SetMemoryAlarm(true))
	require.Eventually(t, func() bool {
		start := time.Now()
		_, err := store.Put(t.Context(), "k", nil, queue.Always, 0)
		require.Less(t, time.Since(start), 5*time.Second)
		return errors.Is(err, rabbitmq.ErrBlocked) && errors.Is(err, queue.ErrUnavailable)
	}, 20*time.Second, time.Millisecond)
	_, err = store.Get(t.Context(), "k")
	require.ErrorIs(t, err, queue.ErrUnavailable)
	for _, err := range bus.Ask(t.Context(), "who", nil) {
		require.ErrorIs(t, err, queue.ErrUnavailable)
	}
	require.NoError(t, s.SetMemoryAlarm(false))
	require.Eventually(t, func() bool {
		_, err := store.Put(t.Context(), "k", nil, queue.Always, 0)
		return err == nil
	}, 20*time.Second, time.Millisecond)
}

// guestBus returns a bus of another user, who has all rights.
func guestBus(t *testing.T, s *server) queue.Bus {
	at := strings.Replace(s.URL(0), chaos.User+":"+chaos.Password, "guest:guest", 1)
	bus, err := newBroker(t, at).Bus(t.Context(), "fleet")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bus.Close()) })
	return bus
}

// firstAnswer asks until there is an answer: a refusal has cost the connection.
func firstAnswer(t *testing.T, bus queue.Bus) string {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		for answer, err := range bus.Ask(ctx, "who", nil) {
			if err == nil {
				return string(answer)
			}
			require.ErrorIs(t, err, queue.ErrUnavailable)
		}
	}
	return ""
}

// queueDeleted deletes a queue.
func queueDeleted(at, name string) error {
	conn, err := amqp.Dial(at)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		_, err = ch.QueueDelete(name, false, false, false)
	}
	return err
}
