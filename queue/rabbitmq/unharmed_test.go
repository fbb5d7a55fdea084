package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// TestFaultHarmsNoOther: the broker closes the publisher's channel over one message with a header
// that it does not take. While that happens again and again, every other message, of the same call
// and of others, is confirmed, and each guilty one is refused by name.
func TestFaultHarmsNoOther(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	other := q.broker.Queue(q.name + "-other")
	t.Cleanup(func() { require.NoError(t, other.Delete(context.WithoutCancel(t.Context()))) })
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "first"}))
	require.NoError(t, other.Publish(t.Context(), queue.Message{ID: "first"}))
	const rounds, faults = 60, 8
	var published atomic.Int64
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			for i := range rounds {
				if err := other.Publish(t.Context(), numbered(50)...); err != nil {
					t.Errorf("worker %d, call %d: %v", worker, i, err)
					return
				}
				published.Add(50)
			}
		})
	}
	for i := range faults {
		bad := queue.Message{ID: "guilty-" + strconv.Itoa(i), Headers: map[string]string{"CC": "no array"}}
		err := q.Publish(t.Context(), queue.Message{ID: fmt.Sprint("before-", i)}, bad, queue.Message{ID: fmt.Sprint("after-", i)})
		var failed *queue.PublishError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 1)
		require.Equal(t, bad.ID, failed.Failed[0].ID)
		require.ErrorIs(t, failed.Failed[0].Err, queue.ErrConfig)
		require.ErrorContains(t, failed.Failed[0].Err, "CC")
		require.NotErrorIs(t, failed.Failed[0].Err, ErrUnconfirmed)
	}
	work.Wait()
	stats, err := q.Inspect(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, stats.Ready, 1+2*faults, "at least once")
	stats, err = other.Inspect(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, int64(stats.Ready), 1+published.Load())
	require.EqualValues(t, 4*rounds*50, published.Load())
}

// TestFaultOfACopy: a dead letter that the broker does not take, because of a header that it had
// taken from a publisher without one, fails by name, and the delivery is still held.
func TestFaultOfACopy(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	s := open(t, q, 2)
	a, b := receive(t, s), receive(t, s)
	s.mu.Lock()
	m, err := s.claimOne(&queue.Settlement{Delivery: a, Disposition: queue.Requeue})
	n, errB := s.claimOne(&queue.Settlement{Delivery: b, Disposition: queue.Requeue})
	s.mu.Unlock()
	require.NoError(t, errors.Join(err, errB))
	m.out.msg.Headers["BCC"] = "no array"
	s.publish(t.Context(), []*move{m, n})
	require.ErrorIs(t, m.err, queue.ErrConfig)
	require.NoError(t, n.err)
	failed, err := s.finish([]*move{m, n})
	require.NoError(t, err)
	require.Len(t, failed, 1)
	require.NoError(t, s.Settle(t.Context(), one(a, queue.Ack, 0)))
	require.Equal(t, "b", receive(t, s).ID)
}
