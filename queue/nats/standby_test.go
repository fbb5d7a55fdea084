package nats_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// gated is a handler whose jobs end when the gate is open.
func gated(gate <-chan struct{}) func(ctx context.Context, id string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TestPausedConsumer: a pause at the server is shown, and nothing is healed. Jobs run on through
// it, once, and what waits is done after it.
func TestPausedConsumer(t *testing.T) {
	srv := ownServer(t, server.Options{JetStream: true})
	q := newBroker(t, srv.ClientURL(), nats.Config{Lease: time.Second}).Queue("jobs")
	gate := make(chan struct{})
	w := consume(t, q, gentask.Config{Concurrency: 4, Prefetch: 4}, gated(gate))
	require.NoError(t, q.Publish(soon(t), queue.Message{}, queue.Message{}))
	until(t, "two run", func() bool { return w.Health().Running == 2 })
	js := bare(t, srv.ClientURL())
	_, err := js.PauseConsumer(soon(t), "jobs", "gentask", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, q.Publish(soon(t), queue.Message{}, queue.Message{}))
	until(t, "it is shown", func() bool {
		return strings.Contains(w.Health().Standby, "the consumer is paused at the server until")
	})
	n, err := q.Backlog(soon(t))
	require.NoError(t, err)
	require.Zero(t, n)
	<-time.After(12 * time.Second) // longer than a request, and than several cures of the watchdog
	require.True(t, w.Health().Healthy())
	require.Equal(t, 2, w.Health().Running)
	w.quiet(t)
	_, err = js.ResumeConsumer(soon(t), "jobs", "gentask")
	require.NoError(t, err)
	until(t, "all run", func() bool { return w.Health().Running == 4 && w.Health().Standby == "" })
	close(gate)
	until(t, "all are done", func() bool { return w.done(queue.Ack) == 4 })
	require.Len(t, w.of(gentask.EventStarted), 4)
	w.quiet(t)
}

// TestOpenWhilePaused: a session opens, waits, and gets messages when the pause ends by itself.
func TestOpenWhilePaused(t *testing.T) {
	srv := ownServer(t, server.Options{JetStream: true})
	q := newBroker(t, srv.ClientURL(), nats.Config{}).Queue("jobs")
	require.NoError(t, open(t, q))
	_, err := bare(t, srv.ClientURL()).PauseConsumer(soon(t), "jobs", "gentask", time.Now().Add(3*time.Second))
	require.NoError(t, err)
	require.NoError(t, q.Publish(soon(t), queue.Message{}))
	s := begin(t, q, 1)
	reason, err := s.(queue.Standby).Standby(soon(t))
	require.NoError(t, err)
	require.Contains(t, reason, "paused")
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: next(t, s), Disposition: queue.Ack}))
	reason, err = s.(queue.Standby).Standby(soon(t))
	require.NoError(t, err)
	require.Empty(t, reason)
}

// TestLameDuckAmongOthers: the session receives nothing more from a server that shuts down. Its
// jobs end, and are acknowledged there. Then the next session opens at another server.
func TestLameDuckAmongOthers(t *testing.T) {
	hub := ownServer(t, server.Options{
		JetStream: true, JetStreamDomain: "hub",
		LeafNode: server.LeafNodeOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT},
	})
	first, second := leafOf(t, hub), leafOf(t, hub)
	q := newBroker(t, first.ClientURL()+","+second.ClientURL(), nats.Config{
		Domain: "hub", Options: []natsgo.Option{natsgo.DontRandomize()},
	}).Queue("jobs")
	gate := make(chan struct{})
	w := consume(t, q, gentask.Config{Concurrency: 2, Prefetch: 2}, gated(gate))
	until(t, "it is open", func() bool { return len(w.of(gentask.EventSessionOpened)) == 1 })
	all := newBroker(t, hub.ClientURL(), nats.Config{}).Queue("jobs")
	require.NoError(t, all.Publish(soon(t), queue.Message{}))
	until(t, "one runs", func() bool { return w.Health().Running == 1 })
	down := make(chan struct{})
	go func() {
		defer close(down)
		first.LameDuckShutdown()
	}()
	until(t, "the intake has ended", func() bool {
		stats := stats(t, hub.ClientURL())
		return stats == 0
	})
	require.NoError(t, all.Publish(soon(t), queue.Message{}))
	close(gate)
	until(t, "both are done", func() bool { return w.done(queue.Ack) == 2 })
	require.Len(t, w.of(gentask.EventStarted), 2)
	require.Len(t, w.of(gentask.EventSessionOpened), 2)
	require.Empty(t, w.of(gentask.EventHealed))
	lost := w.of(gentask.EventSessionLost)
	require.Len(t, lost, 1)
	require.ErrorContains(t, lost[0].Reason, "lame duck")
	<-down
}

// stats returns how many requests wait for messages of the queue "jobs".
func stats(t *testing.T, url string) int {
	t.Helper()
	c, err := bare(t, url).Consumer(soon(t), "jobs", "gentask")
	require.NoError(t, err)
	return c.CachedInfo().NumWaiting
}

// TestLameDuckAlone: with no other server to go to, the session stays until its server closes it.
func TestLameDuckAlone(t *testing.T) {
	srv := ownServer(t, server.Options{
		JetStream: true, LameDuckDuration: 6 * time.Second, LameDuckGracePeriod: 5 * time.Second,
	})
	q := newBroker(t, srv.ClientURL(), nats.Config{}).Queue("jobs")
	w := consume(t, q, gentask.Config{}, func(context.Context, string) error { return nil })
	until(t, "it is open", func() bool { return len(w.of(gentask.EventSessionOpened)) == 1 })
	require.NoError(t, q.Publish(soon(t), queue.Message{})) // connects
	down := make(chan struct{})
	go func() {
		defer close(down)
		srv.LameDuckShutdown()
	}()
	until(t, "it is shown", func() bool { return strings.Contains(w.Health().Standby, "lame duck") })
	require.NoError(t, q.Publish(soon(t), queue.Message{}))
	until(t, "jobs are done", func() bool { return w.done(queue.Ack) == 2 })
	w.quiet(t)
	<-down
}
