package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestSequence: a message keeps its number whenever it comes back, and no other has it, even with
// the same id.
func TestSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "same"}, queue.Message{ID: "same"}))
		open := func() (receive func() *queue.Delivery, settle, giveBack func(queue.Settlement)) {
			s, err := q.Open(t.Context(), queue.Options{Prefetch: 2})
			require.NoError(t, err)
			receive = func() *queue.Delivery {
				d, err := s.Receive(t.Context())
				require.NoError(t, err)
				return d
			}
			settle = func(st queue.Settlement) { require.NoError(t, s.Settle(t.Context(), []queue.Settlement{st})) }
			giveBack = func(st queue.Settlement) {
				require.NoError(t, s.(queue.Returner).Return(t.Context(), []queue.Settlement{st}))
			}
			return receive, settle, giveBack
		}
		receive, settle, giveBack := open()
		one, two := receive(), receive()
		require.NotZero(t, one.Sequence)
		require.NotEqual(t, one.Sequence, two.Sequence)
		for _, how := range []queue.Settlement{
			{Disposition: queue.Requeue},
			{Disposition: queue.Requeue, After: time.Second},
			{Disposition: queue.Release},
			{Disposition: queue.Release, After: time.Second},
		} {
			how.Delivery = one
			settle(how)
			again := receive()
			require.Equal(t, one.Sequence, again.Sequence, "%+v", how)
			one = again
		}
		giveBack(queue.Settlement{Delivery: one, Disposition: queue.DeadLetter})
		again := receive()
		require.Equal(t, one.Sequence, again.Sequence, "returned")
		one = again
		q.LoseSessions()
		receive, _, _ = open()
		require.ElementsMatch(t, []uint64{one.Sequence, two.Sequence}, []uint64{receive().Sequence, receive().Sequence})
	})
}
