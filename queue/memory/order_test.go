package memory_test

import (
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// TestScenario33_NotBefore: to the nanosecond in a bubble, behind what waits then, and as the first
// attempt.
func TestScenario33_NotBefore(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		start := time.Now()
		require.NoError(t, q.Publish(t.Context(),
			queue.Message{ID: "hour", NotBefore: start.Add(time.Hour)},
			queue.Message{ID: "past", NotBefore: start.Add(-time.Hour)},
			queue.Message{ID: "minute", NotBefore: start.Add(time.Minute)}))
		require.Equal(t, 2, q.Stats().Delayed)
		s := open(t, q, 3)
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"past", 0}, {"minute", time.Minute}, {"hour", time.Hour}} {
			d := receive(t, s, 1)[0]
			require.Equal(t, want.id, d.ID)
			require.Equal(t, want.after, time.Since(start))
			require.Equal(t, 1, d.Attempt)
			require.False(t, d.Redelivered)
			require.Zero(t, d.NotBefore)
		}
	})
}

// TestScenario33_ReleaseWithADelay: it comes back when it is due, at the tail, and has cost no
// attempt.
func TestScenario33_ReleaseWithADelay(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 1)
		start := time.Now()
		batch := all(queue.Release, receive(t, s, 1)[0])
		batch[0].After = time.Minute
		require.NoError(t, s.Settle(t.Context(), batch))
		b := receive(t, s, 1)[0]
		require.Equal(t, "b", b.ID, "the slot is free meanwhile")
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, b)))
		a := receive(t, s, 1)[0]
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, 1, a.Attempt)
		require.Equal(t, 1, q.Stats().Released)
	})
}

// TestScenario33_Priority: the higher first, in the order of publishing among equals, and a message
// keeps its priority after any settlement.
func TestScenario33_Priority(t *testing.T) {
	bubble(t, memory.Config{}, func(t *testing.T, q *memory.Queue) {
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b", Priority: 5},
			queue.Message{ID: "c", Priority: queue.MaxPriority}, queue.Message{
				ID:       "d",
				Priority: 5,
			}, queue.Message{ID: "e"}))
		s := open(t, q, 5)
		ds := receive(t, s, 3)
		require.Equal(t, []string{"c", "b", "d"}, ids(ds))
		require.NoError(t, s.Settle(t.Context(), append(all(queue.Release, ds[2], ds[1]),
			all(queue.Requeue, ds[0])...)))
		require.Equal(t, []string{"c", "b", "d", "a", "e"}, ids(receive(t, s, 5)))
	})
}

// TestUniqueKey: once within the window, counted from the message that was enqueued, however that
// one was settled.
func TestUniqueKey(t *testing.T) {
	bubble(t, memory.Config{Unique: time.Minute}, func(t *testing.T, q *memory.Queue) {
		s := open(t, q, 5)
		for i := range 7 { // 0 s, 30 s and so on: the first, third, fifth and seventh are enqueued
			m := queue.Message{ID: "a", UniqueKey: "key"}
			require.NoError(t, q.Publish(t.Context(), m, queue.Message{}))
			got := 1 + (i+1)%2
			require.NoError(t, s.Settle(t.Context(), all(queue.Ack, receive(t, s, got)...)))
			require.Zero(t, q.Stats().Ready)
			time.Sleep(30 * time.Second)
		}
		require.Equal(t, 3, q.Stats().Repeated)
	})
}

// TestUnsupported: one message with a request that is not supported is refused, with all messages
// of its call.
func TestUnsupported(t *testing.T) {
	bubble(t, memory.Config{Unique: -1}, func(t *testing.T, q *memory.Queue) {
		for want, bad := range map[error]queue.Message{
			queue.ErrConfig:      {ID: "a", Priority: queue.MaxPriority + 1},
			queue.ErrUnsupported: {ID: "a", UniqueKey: "key"},
		} {
			err := q.Publish(t.Context(), bad, queue.Message{ID: "b"})
			require.ErrorIs(t, err, want)
			var failed *queue.PublishError
			require.ErrorAs(t, err, &failed)
			require.Len(t, failed.Failed, 2)
		}
		require.Zero(t, q.Stats().Published)
	})
}
