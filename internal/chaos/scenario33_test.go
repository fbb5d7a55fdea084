package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
)

// TestScenario33_DelaySurvivesAKilledBroker: messages that were published for later, and one that
// was put off, are there after the broker was killed -9 and started again: no earlier than asked,
// each once, as the attempt that they were.
func TestScenario33_DelaySurvivesAKilledBroker(t *testing.T) {
	names := map[Kind]string{Quorum: "delayed-quorum", Classic: "delayed-classic", Stream: "delayed"}
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			kill, start, at := killable(t, kind)
			atMost := 1
			if kind == Classic && !sharedRabbit(t).Before(4, 3) { // it marks as redelivered what it has only dead-lettered
				atMost = 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), hopAgain)
			defer cancel()
			e, err := Open(kind, at, names[kind])
			require.NoError(t, err)
			defer func() { require.NoError(t, e.Close()) }()
			off := putOff(ctx, t, e, 12*time.Second)
			due := publishLater(ctx, t, e, 6*time.Second, 9*time.Second, 14*time.Second)
			due["put off"] = off
			<-time.After(written)
			kill()
			require.NoError(t, start())
			s, err := e.Source.Open(ctx, queue.Options{Prefetch: 10})
			require.NoError(t, err)
			for range len(due) {
				d, err := s.Receive(ctx)
				require.NoError(t, err, "lost: %v", due)
				require.Contains(t, due, d.ID)
				require.False(t, brokertest.Early(due[d.ID]), "%s came early", d.ID)
				require.LessOrEqual(t, d.Attempt, atMost, d.ID)
				require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
				delete(due, d.ID)
			}
			require.NoError(t, s.Close(ctx))
			require.NoError(t, e.Delete(ctx))
		})
	}
}

// hopAgain is how long a delayed message may take, with a broker that starts slowly, and repeats a
// hop that found no queue: see hurriedHops.
const hopAgain = 2 * time.Minute

// written is how long brokers take to write down what they do not confirm: where the files of a
// quorum queue are, and that a message was acknowledged. RabbitMQ 3.10 does the first after half a
// second in which the queues were let alone; with 1.5 s, on a machine with ten times the work that
// it can do, delay queues were gone in 2 of 30 runs, and in none of 16 with 4 s.
const written = 4 * time.Second

// publishLater publishes a message for each delay, and returns when each is due.
func publishLater(ctx context.Context, t *testing.T, e *Endpoint, delays ...time.Duration) map[string]time.Time {
	t.Helper()
	due := map[string]time.Time{}
	for _, d := range delays {
		m := queue.Message{ID: d.String(), NotBefore: time.Now().Add(d)}
		require.NoError(t, e.Publish(ctx, m))
		due[m.ID] = m.NotBefore
	}
	return due
}

// putOff publishes a message, releases it with a delay, and returns when it is due.
func putOff(ctx context.Context, t *testing.T, e *Endpoint, delay time.Duration) time.Time {
	t.Helper()
	require.NoError(t, e.Publish(ctx, queue.Message{ID: "put off"}))
	s, err := e.Source.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	require.Equal(t, "put off", d.ID)
	due := time.Now().Add(delay)
	require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Release, After: delay}}))
	require.NoError(t, s.Close(ctx))
	return due
}
