package nats_test

import (
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// lostWithin returns the reason why the session is lost.
func lostWithin(t *testing.T, s queue.Session, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, queue.ErrSessionLost)
	return err
}

// TestChangedQueueEndsTheSession: a session ends within 5 s of a change, and names it. If the
// config leaves the changed property open, the next session accepts it; otherwise it is refused.
func TestChangedQueueEndsTheSession(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(ctx context.Context, js jetstream.JetStream, name string) error
		says    string
		refused bool
	}{
		{"lease", func(ctx context.Context, js jetstream.JetStream, name string) error {
			return changeConsumer(ctx, js, name, func(c *jetstream.ConsumerConfig) { c.AckWait = 700 * time.Millisecond })
		}, "lease of queue", false},
		{"deliveries", func(ctx context.Context, js jetstream.JetStream, name string) error {
			return changeConsumer(ctx, js, name, func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 3 })
		}, "max_deliver is 3, must be -1 (unlimited)", true},
		{"age", func(ctx context.Context, js jetstream.JetStream, name string) error {
			s, err := js.Stream(ctx, name)
			if err != nil {
				return err
			}
			cfg := s.CachedInfo().Config
			cfg.MaxAge = time.Hour
			_, err = js.UpdateStream(ctx, cfg)
			return err
		}, "max_age is 1h0m0s, must be 0 (unlimited)", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, "nats://"+standard, nats.Config{})
			s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
			require.NoError(t, err)
			require.NoError(t, tc.change(t.Context(), bare(t, "nats://"+standard), q.Name()))
			require.ErrorContains(t, lostWithin(t, s, 5*time.Second), tc.says)
			require.NoError(t, s.Close(t.Context()))
			s, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
			if tc.refused {
				require.ErrorIs(t, err, queue.ErrConfig)
				require.ErrorContains(t, err, tc.says)
				return
			}
			require.NoError(t, err)
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "long"}))
			d, err := s.Receive(t.Context())
			require.NoError(t, err)
			pastLease := time.NewTimer(2 * time.Second)
			<-pastLease.C // renewed as often as the new lease wants it
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
			// The server applies acks a moment after it has read them.
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				stats, err := q.Inspect(context.Background())
				assert.NoError(t, err)
				assert.Zero(t, stats.Left()+stats.DeadLettered)
			}, 5*time.Second, 10*time.Millisecond)
			require.Equal(t, 1, d.Attempt)
			require.NoError(t, s.Close(t.Context()))
		})
	}
}

func changeConsumer(ctx context.Context, js jetstream.JetStream, name string,
	change func(*jetstream.ConsumerConfig),
) error {
	c, err := js.Consumer(ctx, name, "gentask")
	if err != nil {
		return err
	}
	cfg := c.CachedInfo().Config
	change(&cfg)
	_, err = js.UpdateConsumer(ctx, name, cfg)
	return err
}

// TestScenario22_NoConfirm: the server is alive, but does not store the message, as when a stream
// has no leader. Publish ends nevertheless, with an error for the message.
func TestScenario22_NoConfirm(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "stored"}))
	deleteStreams(t, q.Name())
	nc, err := natsgo.Connect("nats://" + standard)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.SubscribeSync(q.Name()) // so that the server does not report that there are no responders
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	start := time.Now()
	err = q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b"})
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 2)
	require.ErrorContains(t, err, "nothing was confirmed for 5s")
	require.Less(t, time.Since(start), 8*time.Second)
}
