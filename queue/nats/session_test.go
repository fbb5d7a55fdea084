package nats_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

func newSession(t testing.TB, q *nats.Queue, prefetch int) queue.Session {
	t.Helper()
	s, err := q.Open(soon(t), queue.Options{Prefetch: prefetch, Name: t.Name()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(soon(t))) })
	return s
}

func receive(t testing.TB, s queue.Session) *queue.Delivery {
	t.Helper()
	d, err := s.Receive(soon(t))
	require.NoError(t, err)
	return d
}

func settle(t testing.TB, s queue.Session, disposition queue.Disposition, d *queue.Delivery) {
	t.Helper()
	require.NoError(t, s.Settle(soon(t), []queue.Settlement{{Delivery: d, Disposition: disposition}}))
}

// nothing requires that nothing arrives for that long.
func nothing(t testing.TB, s queue.Session, long time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	d, err := s.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Nil(t, d)
}

// Deliveries that are held, handed out or not, go to no other session, for several leases.
func TestLeaseIsRenewed(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Second})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	s, other := newSession(t, q, 2), newSession(t, q, 2)
	d := receive(t, s)
	nothing(t, other, 3*time.Second)
	settle(t, s, queue.Ack, d)
	require.Equal(t, 1, receive(t, s).Attempt)
}

// The session that is cut off holds nothing for longer than its lease.
func TestLostDeliveryComesBackWithinTheLease(t *testing.T) {
	p := brokertest.NewProxy(t, "nats://"+standard)
	lost := newQueue(t, p.URL(), nats.Config{Lease: time.Second})
	require.NoError(t, lost.Publish(soon(t), queue.Message{ID: "a"}))
	s := newSession(t, lost, 1)
	receive(t, s)
	other := newSession(t, newBroker(t, "nats://"+standard, nats.Config{}).Queue(lost.Name()), 1)
	start := time.Now()
	p.Cut()
	d := receive(t, other)
	require.Less(t, time.Since(start), 3*time.Second)
	require.Equal(t, 2, d.Attempt)
	require.True(t, d.Redelivered)
}

// A release by Close is there at once, regardless of the lease, and has cost no attempt.
func TestCloseGivesBackAtOnce(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Minute})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}, queue.Message{ID: "b"}, queue.Message{ID: "c"}))
	s := newSession(t, q, 3)
	receive(t, s)
	require.NoError(t, s.Close(soon(t)))
	next := newSession(t, q, 3)
	for range 3 {
		d := receive(t, next)
		require.Equal(t, 1, d.Attempt)
		settle(t, next, queue.Ack, d)
	}
	nothing(t, next, 100*time.Millisecond)
}

// A network that takes everything and delivers nothing ends the session within 6 s, and holds no
// call for longer than its context.
func TestSilentNetworkEndsTheSession(t *testing.T) {
	p := brokertest.NewProxy(t, "nats://"+standard)
	q := newQueue(t, p.URL(), nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	idle, busy := newSession(t, q, 2), newSession(t, q, 1)
	holder, d := idle, receive(t, idle) // the other one's request comes second
	p.Hold()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, holder.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}),
		queue.ErrSessionLost)
	require.Error(t, q.Publish(ctx, queue.Message{ID: "b"}))
	require.Less(t, time.Since(start), time.Second)
	_, err := busy.Receive(soon(t))
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.Less(t, time.Since(start), 6*time.Second)
}

// A publisher whose network takes nothing more ends with its context, with one small message and
// with more than the socket takes, and names each message; the next one makes a new connection.
func TestBlockedPublishHonoursTheContextAndNamesTheMessages(t *testing.T) {
	p := brokertest.NewProxy(t, "nats://"+standard)
	q := newQueue(t, p.URL(), nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "before"}))
	p.Hold()
	large := make([]queue.Message, 64)
	for i := range large {
		large[i] = queue.Message{ID: fmt.Sprintf("large-%d", i), Body: make([]byte, 1<<19)}
	}
	for _, msgs := range [][]queue.Message{{{ID: "small"}}, large} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		err := q.Publish(ctx, msgs...)
		cancel()
		var failed *queue.PublishError
		require.ErrorAs(t, err, &failed)
		require.Less(t, time.Since(start), 3*time.Second)
		require.Len(t, failed.Failed, len(msgs))
		for i := range msgs {
			require.Equal(t, msgs[i].ID, failed.Failed[i].ID)
		}
	}
	p.Cut()
}

// An idle queue is not a silent one.
func TestIdleSessionLives(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	s := newSession(t, q, 10)
	nothing(t, s, 5*time.Second)
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	require.Equal(t, "a", receive(t, s).ID)
}

// A deleted queue ends its sessions, and the next Open creates it again.
func TestDeletedQueueEndsTheSession(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	s := newSession(t, q, 1)
	require.NoError(t, q.Publish(soon(t), queue.Message{}))
	settle(t, s, queue.Ack, receive(t, s))
	deleteStreams(t, q.Name())
	_, err := s.Receive(soon(t))
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.Error(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	require.Equal(t, "a", receive(t, newSession(t, q, 1)).ID)
}

// With DoubleAck the server has applied what Settle reports.
func TestDoubleAckIsApplied(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{DoubleAck: true})
	s := newSession(t, q, 1)
	for range 20 {
		require.NoError(t, q.Publish(soon(t), queue.Message{}))
		settle(t, s, queue.Ack, receive(t, s))
		stats, err := q.Inspect(soon(t))
		require.NoError(t, err)
		require.Zero(t, stats.Left()+stats.DeadLettered)
	}
}

func TestRepeatedPublishIsStoredOnceUnlessNeverIsAsked(t *testing.T) {
	for want, cfg := range map[int]nats.Config{1: {}, 3: {Duplicates: -1}} {
		q := newQueue(t, "nats://"+standard, cfg)
		for range 3 {
			require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
		}
		stats, err := q.Inspect(soon(t))
		require.NoError(t, err)
		require.Equal(t, want, stats.Ready)
	}
}

// A dead letter can be run again: published once more, or from its queue, which is one like any
// other.
func TestDeadLetterRunsAgain(t *testing.T) {
	b := newBroker(t, "nats://"+standard, nats.Config{})
	name := uniqueName()
	t.Cleanup(func() { deleteStreams(t, name, name+"-dead", name+"-dead-dead") })
	q := b.Queue(name)
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	s := newSession(t, q, 1)
	settle(t, s, queue.DeadLetter, receive(t, s))

	letters, err := q.DeadLetters(soon(t), 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.NoError(t, q.Publish(soon(t), letters...))
	d := receive(t, s)
	require.Equal(t, "a", d.ID)
	require.Equal(t, 2, d.Attempt)
	require.Equal(t, "a", receive(t, newSession(t, b.Queue(name+"-dead"), 1)).ID)
}
