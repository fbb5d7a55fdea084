package rabbitmq

import (
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRungIsNeverEarlyAndHardlyLate, over all delays.
func TestRungIsNeverEarlyAndHardlyLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		after := time.Duration(rapid.Int64Range(1, int64(maxRung)).Draw(t, "after"))
		if rapid.Bool().Draw(t, "short") {
			after %= time.Second
		}
		got := rung(after)
		require.GreaterOrEqual(t, got, after)
		require.LessOrEqual(t, got, max(minRung, after+after/8+3*time.Millisecond))
		require.Zero(t, got%time.Millisecond)
	})
}

func TestLadderIsBounded(t *testing.T) {
	ladder := map[time.Duration]bool{}
	last := time.Duration(0)
	for r := range rungs() {
		require.Greater(t, r, last)
		ladder[r], last = true, r
	}
	require.Less(t, len(ladder), 250)
	for after := time.Millisecond; after < maxRung; after += after/50 + 1 {
		require.True(t, ladder[rung(after)], "%v waits in %v, which Delete does not know", after, rung(after))
	}
	require.LessOrEqual(t, last.Milliseconds(), int64(1<<32-1), "the broker takes no more")
}

// TestDelayIsNeverEarly at the real broker, with delays between the rungs, many at once; and little
// late, which is generous for a busy machine.
func TestDelayIsNeverEarly(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind, DelayPrefix: "gentask-test-delay."})
			milliseconds := []int{1, 15, 17, 50, 50, 50, 119, 333, 501, 700}
			require.NoError(t, q.Publish(t.Context(), numbered(len(milliseconds))...))
			s := open(t, q, len(milliseconds))
			due := map[string]time.Time{}
			var batch []queue.Settlement
			for _, ms := range milliseconds {
				d, after := receive(t, s), time.Duration(ms)*time.Millisecond
				due[d.ID] = time.Now().Add(after)
				batch = append(batch, queue.Settlement{
					Delivery: d, Disposition: queue.Requeue, After: after,
					Reason: "later",
				})
			}
			require.NoError(t, s.Settle(t.Context(), batch))
			for range milliseconds {
				d := receive(t, s)
				require.False(t, brokertest.Early(due[d.ID]), "delivery %s is early", d.ID)
				require.Less(t, time.Since(due[d.ID]), patience)
				require.Equal(t, 2, d.Attempt)
				require.Equal(t, "later", d.Headers[queue.HeaderReason])
			}
			quiet(t, s)
		})
	}
}

// TestDelayQueueThatIsGone: a delivery whose delay queue was deleted meanwhile is still held, and
// the next attempt declares the queue again.
func TestDelayQueueThatIsGone(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.Publish(t.Context(), numbered(1)...))
	s := open(t, q, 1)
	requeue := func() error {
		return s.Settle(t.Context(), []queue.Settlement{{
			Delivery: receive(t, s), Disposition: queue.Requeue,
			After: minRung / 2,
		}})
	}
	require.NoError(t, requeue())
	d := receive(t, s)
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(q.delayName(minRung), false, false, false)
		require.NoError(t, err)
	})
	batch := []queue.Settlement{{Delivery: d, Disposition: queue.Requeue, After: minRung / 2}}
	require.ErrorIs(t, s.Settle(t.Context(), batch), ErrUnroutable)
	require.NoError(t, s.Settle(t.Context(), batch))
	require.Equal(t, 3, receive(t, s).Attempt)
}

// TestPin_LeavesNothing: the queue that makes the broker write down another one is gone afterwards.
func TestPin_LeavesNothing(t *testing.T) {
	q := newQueue(t, Config{})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "1", NotBefore: time.Now().Add(time.Minute)}))
	open(t, q, 1)
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclarePassive(q.delayName(0), true, false, false, false, nil)
		require.True(t, isNotFound(err), "%v", err)
	})
}
