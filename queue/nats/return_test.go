package nats_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// full makes the queue's stream take no more than it has.
func full(t *testing.T, q *nats.Queue, stream string) {
	t.Helper()
	js := bare(t, "nats://"+standard)
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	cfg := s.CachedInfo().Config
	cfg.MaxMsgs = int64(max(s.CachedInfo().State.Msgs, 1)) //nolint:gosec // a count
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
}

func begin(t *testing.T, q *nats.Queue, prefetch int) queue.Session {
	t.Helper()
	s, err := q.Open(soon(t), queue.Options{Prefetch: prefetch})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func next(t *testing.T, s queue.Session) *queue.Delivery {
	t.Helper()
	d, err := s.Receive(soon(t))
	require.NoError(t, err)
	return d
}

func settleOne(t *testing.T, s queue.Session, st queue.Settlement) error {
	t.Helper()
	return s.Settle(soon(t), []queue.Settlement{st})
}

// TestFullStream: a snooze is refused, and can be returned with its delay; a release at once needs
// no copy then.
func TestFullStream(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	s := begin(t, q, 2)
	a, b := next(t, s), next(t, s)
	full(t, q, q.Name())
	err := settleOne(t, s, queue.Settlement{Delivery: a, Disposition: queue.Release, After: time.Hour})
	require.ErrorContains(t, err, "maximum messages exceeded")
	require.NotErrorIs(t, err, queue.ErrTooLarge)
	start := time.Now()
	require.NoError(t, s.(queue.Returner).Return(soon(t),
		[]queue.Settlement{{Delivery: a, Disposition: queue.Release, After: time.Second}}))
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: b, Disposition: queue.Release}))
	d := next(t, s)
	require.Equal(t, "b", d.ID)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
	d = next(t, s)
	require.Equal(t, "a", d.ID)
	require.False(t, brokertest.Early(start.Add(time.Second)))
	require.Equal(t, 2, d.Attempt)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
}

// TestReturnsAreUncounted: a requeue after a return continues the attempts that its holder has
// counted.
func TestReturnsAreUncounted(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	s := begin(t, q, 1)
	for range 3 {
		require.NoError(t, s.(queue.Returner).Return(soon(t),
			[]queue.Settlement{{Delivery: next(t, s), Disposition: queue.Release}}))
	}
	d := next(t, s)
	require.Equal(t, 4, d.Attempt)
	require.NoError(t, settleOne(t, s, queue.Settlement{
		Delivery: d, Disposition: queue.Requeue, Attempt: 1,
		Uncounted: 3,
	}))
	d = next(t, s)
	require.Equal(t, 2, d.Attempt)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
}

// TestLargerThanTheStreamTakes: a limit that was lowered is distinguished from a temporary failure.
func TestLargerThanTheStreamTakes(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a", Body: make([]byte, 4096)}))
	s := begin(t, q, 1)
	d := next(t, s)
	js := bare(t, "nats://"+standard)
	stream, err := js.Stream(t.Context(), q.Name()+"-dead")
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgSize = 1024
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	require.ErrorIs(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.DeadLetter}), queue.ErrTooLarge)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
}

// TestLongestDelay: a delay beyond the range of the server's clock is long, and not over at once.
func TestLongestDelay(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	s := begin(t, q, 1)
	require.NoError(t, settleOne(t, s, queue.Settlement{
		Delivery: next(t, s), Disposition: queue.Requeue,
		After: math.MaxInt64,
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestNoRightToPublish: a user who may consume and not publish keeps the session. Settlements that
// need a copy fail at once, with the reason; acks and returns go on.
func TestNoRightToPublish(t *testing.T) {
	reader := &server.User{Username: "reader", Password: "r", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{"$JS.API.>", "$JS.ACK.>"}},
	}}
	owner := &server.User{Username: "owner", Password: "o"}
	srv := ownServer(t, server.Options{JetStream: true, Users: []*server.User{reader, owner}})
	address := srv.Addr().String()
	all := newBroker(t, "nats://owner:o@"+address, nats.Config{}).Queue("jobs")
	require.NoError(t, all.Publish(soon(t), queue.Message{ID: "a"}, queue.Message{ID: "b"}, queue.Message{ID: "c"}))
	q := newBroker(t, "nats://reader:r@"+address, nats.Config{}).Queue("jobs")
	s := begin(t, q, 3)
	a, b, c := next(t, s), next(t, s), next(t, s)
	start := time.Now()
	err := s.Settle(soon(t), []queue.Settlement{
		{Delivery: a, Disposition: queue.Release, After: time.Hour},
		{Delivery: b, Disposition: queue.DeadLetter},
		{Delivery: c, Disposition: queue.Ack},
	})
	var failed *queue.SettleError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 2)
	require.ErrorIs(t, err, nats.ErrRefused)
	require.Less(t, time.Since(start), 3*time.Second)
	require.NoError(t, s.(queue.Returner).Return(soon(t),
		[]queue.Settlement{{Delivery: a, Disposition: queue.Release}}))
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: b, Disposition: queue.Release}),
		"it costs an attempt")
	for range 2 {
		require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: next(t, s), Disposition: queue.Ack}))
	}
	require.NoError(t, s.Close(soon(t)))
}
