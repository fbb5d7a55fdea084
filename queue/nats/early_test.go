package nats_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// later publishes a message that is due after d, and returns when that is.
func later(t testing.TB, q queue.Publisher, id string, d time.Duration) time.Time {
	t.Helper()
	due := time.Now().Add(d)
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: id, NotBefore: due}))
	return due
}

// requeue gives d back for the next attempt.
func requeue(t testing.TB, s queue.Session, d *queue.Delivery, after time.Duration) {
	t.Helper()
	require.NoError(t, s.Settle(soon(t), []queue.Settlement{{
		Delivery: d, Disposition: queue.Requeue, After: after,
		Reason: "again",
	}}))
}

// Attempts count from the first delivery that a caller received, whether a session was open before
// the message was due or not, through requeues, releases with a delay, and delays.
func TestAttemptsOfADelayedMessage(t *testing.T) {
	const delay = 300 * time.Millisecond
	for name, watched := range map[string]bool{"watched": true, "unwatched": false} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, "nats://"+standard, nats.Config{})
			var s queue.Session
			if watched {
				s = newSession(t, q, 1)
			}
			due := later(t, q, "a", delay)
			if !watched {
				<-time.After(time.Until(due) * 9 / 8)
				s = newSession(t, q, 1)
			}
			for attempt := 1; attempt <= 6; attempt++ {
				d := receive(t, s)
				require.Equal(t, attempt, d.Attempt)
				require.Equal(t, attempt > 1, d.Redelivered)
				if attempt > 1 && !watched {
					require.Equal(t, "again", d.Headers[queue.HeaderReason])
				}
				requeue(t, s, d, time.Duration(attempt%2)*delay)
			}
			start := time.Now()
			require.NoError(t, s.Settle(soon(t), []queue.Settlement{{
				Delivery:    receive(t, s),
				Disposition: queue.Release, After: delay,
			}}))
			require.Equal(t, 7, receive(t, s).Attempt)
			require.False(t, brokertest.Early(start.Add(delay)))
		})
	}
}

// A delay outlives the server, which keeps it in seconds: nothing comes early, and no attempt is
// counted for that.
func TestScenario33_DelayOutlivesTheServer(t *testing.T) {
	opts := server.Options{JetStream: true, StoreDir: t.TempDir()}
	for i, delay := range []time.Duration{1200 * time.Millisecond, 1700 * time.Millisecond, 2300 * time.Millisecond} {
		first := ownServer(t, opts)
		q := newBroker(t, first.ClientURL(), nats.Config{}).Queue("delayed")
		watch := newSession(t, q, 1)
		due := later(t, q, "a", delay)
		settled := func() bool { // the session has given it back
			stats, err := q.Inspect(soon(t))
			return err == nil && stats.Held == 1
		}
		require.Eventually(t, settled, 5*time.Second, 5*time.Millisecond)
		stop(first)
		_, err := watch.Receive(soon(t))
		require.ErrorIs(t, err, queue.ErrSessionLost)

		second := ownServer(t, opts)
		s := newSession(t, newBroker(t, second.ClientURL(), nats.Config{}).Queue("delayed"), 1)
		d := receive(t, s)
		require.False(t, brokertest.Early(due), "round %d: early", i)
		require.Equal(t, 1, d.Attempt)
		settle(t, s, queue.Ack, d)
		require.NoError(t, s.Close(soon(t)))
		stop(second)
	}
}
