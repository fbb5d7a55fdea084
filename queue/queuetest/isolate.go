package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// isolateCases: suspects wait at a place of their own, if a session is a queue.Isolator. They pass
// for other sessions.
func isolateCases() []testCase {
	return []testCase{
		{"isolate/out of the queue, and whole", isolateWhole},
		{"isolate/a release is a suspect still, a requeue is none", isolateEnds},
		{"isolate/what is lost counts", isolateLoss},
	}
}

// isolate moves deliveries of s, and cancels it. It returns nil if s does not support that.
func (b *bench) isolate(s queue.Session, ds ...*queue.Delivery) queue.Isolator {
	b.t.Helper()
	place, can := s.(queue.Isolator)
	if !can {
		return nil
	}
	require.NoError(b.t, place.Isolate(b.ctx, batchOf(queue.Release, ds...)))
	b.silent(s)
	b.stopIntake(s)
	return place
}

// stopIntake cancels the intake of s. Nothing must be on its way.
func (b *bench) stopIntake(s queue.Session) {
	b.t.Helper()
	require.NoError(b.t, s.Cancel(b.ctx))
	_, err := s.Receive(b.ctx)
	require.ErrorIs(b.t, err, queue.ErrCancelled)
}

// suspect takes a suspect, which must wait.
func (b *bench) suspect(place queue.Isolator) *queue.Delivery {
	b.t.Helper()
	d, err := place.ReceiveIsolated(b.ctx)
	require.NoError(b.t, err)
	require.NotNil(b.t, d, "none waits")
	require.True(b.t, d.Isolated)
	require.Contains(b.t, d.Headers, queue.HeaderSuspect)
	return d
}

// noSuspect requires that none waits.
func (b *bench) noSuspect(place queue.Isolator) {
	b.t.Helper()
	n, err := place.Isolated(b.ctx)
	require.NoError(b.t, err)
	require.Zero(b.t, n)
	d, err := place.ReceiveIsolated(b.ctx)
	require.NoError(b.t, err)
	require.Nil(b.t, d)
}

// isolateWhole: a suspect is not delivered by the queue. From its place it comes unchanged, in
// order, for the same attempt.
func isolateWhole(b *bench) {
	sent := queue.Message{
		ID: "order-32", Body: []byte("body\x00\xff"), Headers: map[string]string{"trace": "é"},
		ContentType: "application/x-order",
	}
	s := b.open(2)
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent, queue.Message{ID: "other"}))
	ds := b.take(s, 2)
	place := b.isolate(s, ds...)
	if place == nil {
		return
	}
	require.ErrorIs(b.t, place.Isolate(b.ctx, batchOf(queue.Release, ds...)), queue.ErrSettled)
	n, err := place.Isolated(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, 2, n)
	d := b.suspect(place)
	require.Equal(b.t, sent.ID, d.ID)
	require.Equal(b.t, sent.Body, d.Body)
	require.Equal(b.t, "é", d.Headers["trace"])
	require.Equal(b.t, sent.ContentType, d.ContentType)
	require.True(b.t, ds[0].Time.Equal(d.Time), "%v, was %v", d.Time, ds[0].Time)
	require.Equal(b.t, 1, d.Attempt)
	other := b.suspect(place)
	require.Equal(b.t, "other", other.ID)
	b.noSuspect(place)
	b.settle(s, queue.Ack, d, other)
	b.noSuspect(place)
	b.close(s)
	b.empty()
}

// isolateEnds: after a release the message is a suspect, and after a requeue and a dead letter it
// is none.
func isolateEnds(b *bench) {
	s := b.open(3)
	b.publish("a", "b", "c")
	place := b.isolate(s, b.take(s, 3)...)
	if place == nil {
		return
	}
	b.settle(s, queue.Release, b.suspect(place))
	b.settle(s, queue.Requeue, b.suspect(place))
	b.settle(s, queue.DeadLetter, b.suspect(place))
	b.noSuspect(place)
	require.NoError(b.t, s.Resume(b.ctx))
	attempts := map[string]int{"a": 1, "b": 2}
	for _, d := range b.take(s, 2) {
		_, marked := d.Headers[queue.HeaderSuspect]
		require.Equal(b.t, d.ID == "a", marked, "message %q", d.ID)
		require.Equal(b.t, attempts[d.ID], d.Attempt, "message %q", d.ID)
		require.False(b.t, d.Isolated)
		b.settle(s, queue.Ack, d)
	}
	letters, err := b.DeadLetters(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, letters, 1)
	require.NotContains(b.t, letters[0].Headers, queue.HeaderSuspect)
	b.close(s)
	b.empty()
}

// isolateLoss: a suspect whose session is lost waits again, for its next attempt. It may take a
// while until the broker notices.
func isolateLoss(b *bench) {
	s := b.open(1)
	b.publish("a")
	place := b.isolate(s, b.receive(s))
	if place == nil || b.Break == nil {
		return
	}
	b.suspect(place)
	b.Break()
	next := b.open(1)
	b.stopIntake(next)
	place = next.(queue.Isolator) //nolint:forcetypeassert // as the first
	var d *queue.Delivery
	for end := time.Now().Add(arrival); d == nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		d, err = place.ReceiveIsolated(b.ctx)
		require.NoError(b.t, err)
	}
	require.NotNil(b.t, d, "it does not come back")
	require.Equal(b.t, 2, d.Attempt)
	b.settle(next, queue.Ack, d)
	b.noSuspect(place)
}
