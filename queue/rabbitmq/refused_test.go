package rabbitmq

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// openAt opens a session of a queue at another URL, which must fail.
func openAt(t *testing.T, at, name string, cfg Config) error {
	t.Helper()
	b, err := New(at, cfg)
	require.NoError(t, err)
	defer b.Close()
	s, err := b.Queue(name).Open(t.Context(), queue.Options{Prefetch: 1})
	require.Error(t, err)
	require.Nil(t, s)
	return err
}

func TestWrongPasswordIsRefused(t *testing.T) {
	at := changed(t, func(u *url.URL) { u.User = url.UserPassword("guest", "sesame") })
	err := openAt(t, at, "jobs", Config{})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "guest@")
	require.ErrorContains(t, err, "username or password")
	require.NotContains(t, err.Error(), "sesame")
}

func TestMissingVirtualHostIsRefused(t *testing.T) {
	err := openAt(t, changed(t, func(u *url.URL) { u.Path = "/nowhere" }), "jobs", Config{})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "nowhere")
}

func TestQueueWithOtherPropertiesIsNamed(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	err := openAt(t, q.url(t), q.name, Config{Type: Quorum})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, `the queue "`+q.name+`.dead" exists with other properties: its x-queue-type is`)
	require.ErrorContains(t, err, "classic")
	require.ErrorContains(t, err, "asked for was")
	require.ErrorContains(t, err, "quorum")
}

func TestPassiveOnlyLooks(t *testing.T) {
	q := newQueue(t, Config{})
	passive, err := New(q.url(t), Config{Passive: true})
	require.NoError(t, err)
	defer passive.Close()
	looked := passive.Queue(q.name)
	_, err = looked.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.Passive")
	require.ErrorContains(t, err, q.name)
	require.ErrorIs(t, looked.Publish(t.Context(), queue.Message{}), queue.ErrConfig)
	_, err = looked.Inspect(t.Context())
	require.ErrorIs(t, err, queue.ErrConfig, "nothing was declared")

	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	require.NoError(t, looked.Publish(t.Context(), queue.Message{ID: "b"}))
	s := open(t, looked, 2)
	require.Equal(t, "a", receive(t, s).ID)
	require.Equal(t, "b", receive(t, s).ID)
}

// TestMissingRightsAreRefused: a queue that is exclusive to another connection is locked for all
// others.
func TestMissingRightsAreRefused(t *testing.T) {
	q := newQueue(t, Config{Type: Classic, Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(q.deadName(), false, false, true, false, nil)
		require.NoError(t, err)
		err = openAt(t, q.url(t), q.name, q.broker.cfg)
		require.ErrorContains(t, err, q.deadName())
		require.ErrorContains(t, err, "exclusive")
	})
}

// TestOpenIsBoundedOnADeadNetwork: a peer that accepts the connection and then sends nothing holds
// no caller for longer than the limit.
func TestOpenIsBoundedOnADeadNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for name, bound := range map[string]struct{ dial, ctx time.Duration }{
		"by the context": {time.Minute, 100 * time.Millisecond},
		"by the config":  {100 * time.Millisecond, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := New("amqp://guest:secret@"+l.Addr().String(), Config{DialTimeout: bound.dial})
			require.NoError(t, err)
			defer b.Close()
			ctx, cancel := context.WithTimeout(t.Context(), bound.ctx)
			defer cancel()
			start := time.Now()
			_, err = b.Queue("jobs").Open(ctx, queue.Options{Prefetch: 1})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, b.Queue("jobs").Publish(ctx, queue.Message{}), context.DeadlineExceeded)
			require.Less(t, time.Since(start), patience)
		})
	}
}
