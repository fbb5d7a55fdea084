package nats_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

func TestWrongPasswordIsSaidSo(t *testing.T) {
	s := ownServer(t, server.Options{JetStream: true, Username: "me", Password: "right"})
	address := s.Addr().String()
	for _, url := range []string{"nats://me:wrong@" + address, "nats://" + address} {
		q := newBroker(t, url, nats.Config{}).Queue("jobs")
		require.ErrorIs(t, open(t, q), nats.ErrRefused)
		err := q.Publish(soon(t), queue.Message{ID: "a"})
		require.ErrorIs(t, err, nats.ErrRefused)
		require.NotContains(t, err.Error(), "wrong")
	}
	require.NoError(t, open(t, newBroker(t, "nats://me:right@"+address, nats.Config{}).Queue("jobs")))
}

func TestServerWithoutJetStreamIsSaidSo(t *testing.T) {
	s := ownServer(t, server.Options{})
	q := newBroker(t, s.ClientURL(), nats.Config{}).Queue("jobs")
	require.ErrorIs(t, open(t, q), nats.ErrNoJetStream)
	require.ErrorIs(t, q.Publish(soon(t), queue.Message{ID: "a"}), nats.ErrNoJetStream)
}

func TestServerThatIsDownIsAnErrorAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "nats://" + l.Addr().String()
	require.NoError(t, l.Close())
	q := newBroker(t, url, nats.Config{}).Queue("jobs")
	require.Error(t, open(t, q))
	var failed *queue.PublishError
	require.ErrorAs(t, q.Publish(soon(t), queue.Message{ID: "a"}), &failed)
	require.Equal(t, "a", failed.Failed[0].ID)
}

// A server that accepts and then sends nothing holds no caller for longer than the context.
func TestSilentServerHoldsNoCaller(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	q := newBroker(t, "nats://"+l.Addr().String(), nats.Config{}).Queue("jobs")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = q.Open(ctx, queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, q.Publish(ctx, queue.Message{}), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestClosedBrokerReturnsErrClosed(t *testing.T) {
	b := newBroker(t, "nats://"+standard, nats.Config{})
	require.NoError(t, b.Close())
	require.ErrorIs(t, open(t, b.Queue("jobs")), queue.ErrClosed)
	require.ErrorIs(t, b.Queue("jobs").Publish(soon(t), queue.Message{}), queue.ErrClosed)
}

// After the server has died and come back, its sessions are over, and a new one goes on: with the
// same broker, on the same files.
func TestServerRestarts(t *testing.T) {
	dir, ctx := t.TempDir(), soon(t)
	s := ownServer(t, server.Options{JetStream: true, StoreDir: dir})
	q := newBroker(t, s.ClientURL(), nats.Config{Lease: time.Second}).Queue("jobs")
	require.NoError(t, q.Publish(ctx, queue.Message{ID: "a"}))
	old, err := q.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	held, err := old.Receive(ctx)
	require.NoError(t, err)

	_, port, err := net.SplitHostPort(s.Addr().String())
	require.NoError(t, err)
	stop(s)
	_, err = old.Receive(ctx)
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.ErrorIs(t, old.Settle(ctx, []queue.Settlement{{Delivery: held, Disposition: queue.Ack}}),
		queue.ErrSessionLost)
	require.NoError(t, old.Close(ctx))

	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	ownServer(t, server.Options{JetStream: true, StoreDir: dir, Port: number})
	require.NoError(t, q.Publish(ctx, queue.Message{ID: "b"}))
	next, err := q.Open(ctx, queue.Options{Prefetch: 2})
	require.NoError(t, err)
	attempts := map[string]int{}
	for range 2 {
		d, err := next.Receive(ctx)
		require.NoError(t, err)
		attempts[d.ID] = d.Attempt
	}
	require.Equal(t, map[string]int{"a": 2, "b": 1}, attempts)
	require.NoError(t, next.Close(ctx))
}
