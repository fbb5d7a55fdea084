package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// requeueCases: a message comes back intentionally, for the next attempt, or for the same one.
func requeueCases() []testCase {
	return []testCase{
		{"requeue/at once", requeueAtOnce},
		{"requeue/with a delay", requeueLater},
		{"requeue/keeps the message", requeueKeeps},
		{"requeue/delays of different length", requeueOrder},
		{"requeue/a delay outlives its session", requeueOutlives},
		{"release/costs no attempt", releaseKeepsAttempt},
		{"release/of a message that was requeued", releaseAfterRequeue},
	}
}

// requeueAtOnce: a requeue without a delay counts an attempt each time.
func requeueAtOnce(b *bench) {
	b.publish("a")
	s := b.open(1)
	for attempt := 1; attempt <= 4; attempt++ {
		d := b.receive(s)
		require.Equal(b.t, attempt, d.Attempt)
		b.settle(s, queue.Requeue, d)
	}
	b.settle(s, queue.Ack, b.receive(s))
	b.silent(s)
}

// requeueLater: a delayed message arrives no earlier than asked, for the next attempt, and occupies
// no slot meanwhile.
func requeueLater(b *bench) {
	s := b.open(1)
	again := b.givenLater(s, b.requeue, 1200*time.Millisecond)
	require.Equal(b.t, 2, again.Attempt)
}

// givenLater gives a message back with a delay, and returns it when it comes again. Another one has
// its slot meanwhile. s must have a prefetch of 1.
func (b *bench) givenLater(s queue.Session, back func(queue.Session, *queue.Delivery, time.Duration),
	delay time.Duration,
) *queue.Delivery {
	b.t.Helper()
	b.publish("a", "b")
	late := b.receive(s)
	start := time.Now()
	back(s, late, delay)
	other := b.receive(s)
	require.Less(b.t, time.Since(start), delay, "the slot was not free while the other message was delayed")
	require.NotEqual(b.t, late.ID, other.ID)
	b.settle(s, queue.Ack, other)
	again := b.receiveID(s, late.ID)
	b.notBefore(start, delay)
	return again
}

// requeueKeeps: a message that comes back is the same message, though it may be a copy at the
// broker.
func requeueKeeps(b *bench) {
	sent := queue.Message{
		ID: "order-18", Body: []byte("body\x00\xff"), Headers: map[string]string{"empty": "", "trace": "é"},
		ContentType: "application/x-order", Time: time.Now().Truncate(time.Second),
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	s := b.open(1)
	for attempt, after := range []time.Duration{0, 50 * time.Millisecond, 0, 20 * time.Millisecond} {
		d := b.receive(s)
		require.Equal(b.t, sent.ID, d.ID)
		require.Equal(b.t, sent.Body, d.Body)
		require.Subset(b.t, d.Headers, sent.Headers)
		require.Equal(b.t, sent.ContentType, d.ContentType)
		require.WithinDuration(b.t, sent.Time, d.Time, 0)
		require.Equal(b.t, attempt+1, d.Attempt)
		b.requeue(s, d, after)
	}
}

// requeueOrder: a message with a long delay does not delay one with a short delay behind it.
func requeueOrder(b *bench) {
	const long, short = 2500 * time.Millisecond, 300 * time.Millisecond
	b.publish("long", "short")
	s := b.open(2)
	start := time.Now()
	for _, d := range b.take(s, 2) {
		b.requeue(s, d, map[string]time.Duration{"long": long, "short": short}[d.ID])
	}
	require.Equal(b.t, "short", b.receive(s).ID)
	b.notBefore(start, short)
	require.Equal(b.t, "long", b.receive(s).ID)
	b.notBefore(start, long)
}

// requeueOutlives: a delayed message belongs to the queue and not to the session that delayed it.
func requeueOutlives(b *bench) {
	const delay = 500 * time.Millisecond
	b.publish("a")
	s := b.open(1)
	start := time.Now()
	b.requeue(s, b.receive(s), delay)
	b.close(s)
	require.Equal(b.t, 2, b.receive(b.open(1)).Attempt)
	b.notBefore(start, delay)
}

// releaseKeepsAttempt: a release gives back at once a message that was not started, any number of
// times.
func releaseKeepsAttempt(b *bench) {
	b.publish("a")
	s := b.open(1)
	for range 5 {
		d := b.receive(s)
		require.Equal(b.t, 1, d.Attempt)
		b.settle(s, queue.Release, d)
	}
	b.settle(s, queue.Ack, b.receive(s))
	b.silent(s)
}

// releaseAfterRequeue: the two continue each other's attempts.
func releaseAfterRequeue(b *bench) {
	b.publish("a")
	s := b.open(1)
	attempt := 1
	for _, disposition := range []queue.Disposition{
		queue.Requeue, queue.Release, queue.Release, queue.Requeue,
		queue.Release,
	} {
		d := b.receive(s)
		require.Equal(b.t, attempt, d.Attempt, "before %v", disposition)
		b.settle(s, disposition, d)
		if disposition == queue.Requeue {
			attempt++
		}
	}
	require.Equal(b.t, attempt, b.receive(s).Attempt)
}
