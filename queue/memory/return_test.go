package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// TestReturn: deliveries go back to the head in their order, or after a delay to the tail, and cost
// no attempt without CrudeReturn.
func TestReturn(t *testing.T) {
	for _, crude := range []bool{false, true} {
		bubble(t, memory.Config{Faults: memory.Faults{CrudeReturn: crude}}, func(t *testing.T, q *memory.Queue) {
			publish(t, q, "a", "b", "c")
			s := open(t, q, 2)
			batch := all(queue.DeadLetter, receive(t, s, 2)...)
			require.NoError(t, s.(queue.Returner).Return(t.Context(), batch))
			ds := receive(t, s, 2)
			require.Equal(t, []string{"a", "b"}, ids(ds))
			want := 1
			if crude {
				want = 2
			}
			require.Equal(t, want, ds[0].Attempt)
			require.True(t, ds[0].Redelivered)
			require.ErrorIs(t, s.(queue.Returner).Return(t.Context(), batch), queue.ErrSettled)

			start := time.Now()
			late := []queue.Settlement{{Delivery: ds[0], Disposition: queue.Release, After: time.Minute}}
			require.NoError(t, s.(queue.Returner).Return(t.Context(), late))
			next := receive(t, s, 1)[0]
			if crude {
				require.Equal(t, "a", next.ID)
				return
			}
			require.Equal(t, "c", next.ID)
			require.NoError(t, s.Settle(t.Context(), all(queue.Ack, next, ds[1])))
			require.Equal(t, "a", receive(t, s, 1)[0].ID)
			require.Equal(t, time.Minute, time.Since(start))
			require.Equal(t, 3, q.Stats().GivenBack)
		})
	}
}

// TestFailReturn: a delivery whose return was refused is still held.
func TestFailReturn(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{FailReturn: memory.Times(1)}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a")
		s := open(t, q, 1)
		batch := all(queue.Ack, receive(t, s, 1)...)
		require.ErrorIs(t, s.(queue.Returner).Return(t.Context(), batch), memory.ErrRefused)
		require.Equal(t, 1, q.Stats().Held)
		require.NoError(t, s.(queue.Returner).Return(t.Context(), batch))
		q.LoseSessions()
		require.ErrorIs(t, s.(queue.Returner).Return(t.Context(), batch), queue.ErrSessionLost)
	})
}

// TestRefusedCopies: each switch refuses the settlements that need a copy, and nothing else; the
// delivery is still held.
func TestRefusedCopies(t *testing.T) {
	full := errors.New("full")
	for name, tc := range map[string]struct {
		faults memory.Faults
		want   error
	}{
		"copies":       {memory.Faults{RefuseCopy: memory.Times(-1), CopyError: full}, full},
		"by default":   {memory.Faults{RefuseCopy: memory.Times(-1)}, memory.ErrRefused},
		"large bodies": {memory.Faults{MaxBody: 3}, queue.ErrTooLarge},
		"long delays":  {memory.Faults{MaxDelay: time.Minute}, queue.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, memory.Config{Faults: tc.faults}, func(t *testing.T, q *memory.Queue) {
				require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a", Body: []byte("body")}))
				s := open(t, q, 1)
				d := receive(t, s, 1)[0]
				for _, disposition := range []queue.Disposition{queue.Requeue, queue.Release} {
					st := []queue.Settlement{{Delivery: d, Disposition: disposition, After: time.Hour}}
					require.ErrorIs(t, s.Settle(t.Context(), st), tc.want)
				}
				require.Equal(t, 1, q.Stats().Held)
				require.NoError(t, s.Settle(t.Context(), all(queue.Release, d)), "it needs no copy")
				require.NoError(t, s.Settle(t.Context(), all(queue.Ack, receive(t, s, 1)...)))
			})
		})
	}
}

// TestBlockCopy: a batch with a copy waits until its context ends, or the alarm does; acks
// continue.
func TestBlockCopy(t *testing.T) {
	bubble(t, memory.Config{Faults: memory.Faults{BlockCopy: true}}, func(t *testing.T, q *memory.Queue) {
		publish(t, q, "a", "b")
		s := open(t, q, 2)
		ds := receive(t, s, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, s.Settle(ctx, all(queue.DeadLetter, ds[0])), context.DeadlineExceeded)
		require.NoError(t, s.Settle(t.Context(), all(queue.Ack, ds[1])))
		start := time.Now()
		time.AfterFunc(time.Hour, func() { q.SetFaults(memory.Faults{}) })
		require.NoError(t, s.Settle(t.Context(), all(queue.DeadLetter, ds[0])))
		require.Equal(t, time.Hour, time.Since(start))
	})
}
