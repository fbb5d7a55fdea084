package rabbitmq

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// limited returns a queue that was declared by others, with these arguments for it and for its
// dead-letter queue.
func limited(t *testing.T, work, dead amqp.Table) *Queue {
	t.Helper()
	q := newQueue(t, Config{Type: Classic, Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		for name, args := range map[string]amqp.Table{q.name: work, q.deadName(): dead} {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			require.NoError(t, err)
		}
	})
	return q
}

func one(d *queue.Delivery, disposition queue.Disposition, after time.Duration) []queue.Settlement {
	return []queue.Settlement{{Delivery: d, Disposition: disposition, After: after, Reason: "it failed"}}
}

// TestReturnToAFullQueue: a requeue is refused, and the delivery can go back nevertheless.
func TestReturnToAFullQueue(t *testing.T) {
	q := limited(t, amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"}, nil)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	s := open(t, q, 1)
	d := receive(t, s)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "b"}))
	require.ErrorIs(t, s.Settle(t.Context(), one(d, queue.Requeue, 0)), ErrNacked)
	require.NoError(t, s.Return(t.Context(), one(d, queue.Requeue, time.Second)))
	d = receive(t, s)
	require.Equal(t, "a", d.ID)
	require.Equal(t, 2, d.Attempt)
	require.NoError(t, s.Settle(t.Context(), one(d, queue.Ack, 0)))
	require.Equal(t, "b", receive(t, s).ID)
}

// TestReturnMakesWay: a delivery that the dead-letter queue does not take goes behind the waiting
// ones, for the same attempt.
func TestReturnMakesWay(t *testing.T) {
	q := limited(t, nil, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	s := open(t, q, 1)
	d := receive(t, s)
	require.ErrorIs(t, s.Settle(t.Context(), one(d, queue.DeadLetter, 0)), ErrNacked)
	require.NoError(t, s.Return(t.Context(), one(d, queue.DeadLetter, time.Second)))
	d = receive(t, s)
	require.Equal(t, "b", d.ID)
	require.NoError(t, s.Settle(t.Context(), one(d, queue.Ack, 0)))
	d = receive(t, s)
	require.Equal(t, "a", d.ID)
	require.Equal(t, 1, d.Attempt)
	require.True(t, d.Redelivered)
}

// refuseSize inserts RabbitMQ's error about a message that is too large, which closes the channel.
func (o *pair) refuseSize(limit int) {
	text := "PRECONDITION_FAILED - message size 999999 is larger than configured max size " + strconv.Itoa(limit)
	payload := []byte{0, 20, 0, 40, 1, 150, byte(len(text))} // channel.close, 406
	payload = append(append(payload, text...), 0, 60, 0, 40)
	frame := binary.BigEndian.AppendUint32([]byte{1, 0, 1}, uint32(len(payload))) //nolint:gosec // it is short
	_, _ = o.client.Write(append(append(frame, payload...), 0xce))
}

// TestTooLargeHarmsNoOther: the broker ends the channel because of one message that is too large.
// That one is refused, by name, and the others in flight are published again. The next one of that
// size is refused without a request; as a dead letter it is dead-lettered by the broker itself.
func TestTooLargeHarmsNoOther(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "old", Body: make([]byte, 2000)}))
	s := open(t, q, 1)
	old := receive(t, s)
	publishing := p.all()[len(p.all())-2] // the session came last
	publishing.stall()
	result := make(chan error, 1)
	go func() {
		result <- q.Publish(t.Context(), queue.Message{ID: "small"},
			queue.Message{ID: "large", Body: make([]byte, 1001)}, queue.Message{ID: "last"})
	}()
	publishing.awaitStalled(t)
	publishing.refuseSize(1000)
	var failed *queue.PublishError
	require.ErrorAs(t, <-result, &failed)
	require.Len(t, failed.Failed, 1)
	require.Equal(t, "large", failed.Failed[0].ID)
	require.ErrorIs(t, failed, queue.ErrTooLarge)
	require.ErrorContains(t, failed, "1000")

	require.ErrorIs(t, s.Settle(t.Context(), one(old, queue.DeadLetter, 0)), queue.ErrTooLarge)
	require.NoError(t, s.Return(t.Context(), one(old, queue.DeadLetter, 0)))
	require.Equal(t, "small", receive(t, s).ID, "it does not come back")
	require.Eventually(t, func() bool {
		stats, err := q.Inspect(t.Context())
		return err == nil && stats.DeadLettered == 1
	}, patience, 10*time.Millisecond)
	letters, err := q.DeadLetters(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "old", letters[0].ID)
}

// TestBlockedCopiesFailAtOnce: while the broker blocks publishers, no copy is written that it would
// publish when no call waits any more.
func TestBlockedCopiesFailAtOnce(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	publishing := p.last()
	s := open(t, q, 1)
	d := receive(t, s)
	publishing.say("\x00\x0a\x00\x3c\x0alow memory") // connection.blocked
	require.Eventually(t, func() bool { _, blocked := q.broker.Blocked(); return blocked }, patience, time.Millisecond)
	err := s.Settle(t.Context(), one(d, queue.Requeue, 0))
	require.ErrorIs(t, err, ErrBlocked)
	require.ErrorContains(t, err, "low memory")
	publishing.say("\x00\x0a\x00\x3d") // connection.unblocked
	require.Eventually(t, func() bool { _, blocked := q.broker.Blocked(); return !blocked }, patience, time.Millisecond)
	require.NoError(t, s.Settle(t.Context(), one(d, queue.Requeue, 0)))
	require.Equal(t, 2, receive(t, s).Attempt)
}

// TestLongestDelay: a message whose delay exceeds that of any queue waits for the longest one, and
// then has the end of its delay.
func TestLongestDelay(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	s := open(t, q, 1)
	due := time.Now().Add(90 * 24 * time.Hour)
	require.NoError(t, s.Settle(t.Context(), one(receive(t, s), queue.Release, 90*24*time.Hour)))
	foreign(t, func(ch *amqp.Channel) {
		raw, ok, err := ch.Get(q.delayName(rung(maxRung)), true)
		require.NoError(t, err)
		require.True(t, ok, "it waits in the queue of the longest delay")
		err = ch.PublishWithContext(t.Context(), "", q.name, true, false,
			amqp.Publishing{MessageId: raw.MessageId, Headers: raw.Headers})
		require.NoError(t, err) // as if it were due
		d := receive(t, s)
		require.WithinDuration(t, due, d.NotBefore, time.Minute)
		require.Equal(t, 1, d.Attempt)
		require.NotContains(t, d.Headers, headerNotBefore)
		require.NoError(t, s.Settle(t.Context(), one(d, queue.Requeue, 0)))
		d = receive(t, s)
		require.Zero(t, d.NotBefore, "a copy is not put off any more")
		require.Equal(t, 2, d.Attempt)
	})
}
