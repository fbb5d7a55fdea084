package queuetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// orderCases: the special requests of a message: to come later, first, or once.
func orderCases() []testCase {
	return []testCase{
		{"order/not before its time", notBefore},
		{"order/not before, without a session", notBeforeUnwatched},
		{"order/delays of different length", notBeforeOrder},
		{"order/a time that has passed is at once", notBeforePast},
		{"order/a time that is centuries away is not at once", notBeforeFar},
		{"order/priority overtakes", priorityOvertakes},
		{"order/priority stays with the message", priorityStays},
		{"order/bad priority is refused", badPriority},
		{"order/a unique key is enqueued once", uniqueOnce},
		{"order/a repetition is reported", repetitionReported},
		{"order/a unique key holds whatever became of the message", uniqueHolds},
		{"release/put off", releaseLater},
		{"release/put off outlives its session", releaseOutlives},
	}
}

// put publishes one message with a special request.
func (b *bench) put(m queue.Message) {
	b.t.Helper()
	require.NoError(b.t, b.Publisher.Publish(b.ctx, m), "Publish")
}

// notBefore: a message arrives no earlier than requested, for the first attempt, and delays no
// others meanwhile.
func notBefore(b *bench) {
	s := b.open(1)
	due := time.Now().Add(800 * time.Millisecond)
	b.put(queue.Message{ID: "late", Body: []byte("x"), Headers: map[string]string{"k": "v"}, NotBefore: due})
	b.publish("now")
	b.settle(s, queue.Ack, b.receiveID(s, "now"))
	require.True(b.t, time.Now().Before(due), "the slot was not free while the other message was delayed")
	late := b.receiveID(s, "late")
	b.notBefore(due, 0)
	require.Equal(b.t, 1, late.Attempt)
	require.Zero(b.t, late.NotBefore, "it is an order to the publisher, and done")
	require.Equal(b.t, "v", late.Headers["k"])
	require.Equal(b.t, []byte("x"), late.Body)
	b.countsOn(s, late)
}

// countsOn requires that d, a first attempt, is followed by the second and the third.
func (b *bench) countsOn(s queue.Session, d *queue.Delivery) {
	b.t.Helper()
	b.settle(s, queue.Requeue, d)
	again := b.receiveID(s, d.ID)
	require.Equal(b.t, 2, again.Attempt)
	b.requeue(s, again, 50*time.Millisecond)
	again = b.receiveID(s, d.ID)
	require.Equal(b.t, 3, again.Attempt)
	b.settle(s, queue.Ack, again)
	b.silent(s)
}

// notBeforeUnwatched: the same, though no session was open before it was due.
func notBeforeUnwatched(b *bench) {
	due := time.Now().Add(300 * time.Millisecond)
	b.put(queue.Message{ID: "late", NotBefore: due})
	b.wait(due.Add(100 * time.Millisecond))
	s := b.open(1)
	late := b.receiveID(s, "late")
	require.Equal(b.t, 1, late.Attempt)
	b.countsOn(s, late)
}

// wait waits until then.
func (b *bench) wait(then time.Time) {
	select {
	case <-time.After(time.Until(then)):
	case <-b.ctx.Done():
	}
}

// notBeforeOrder: a message with a long delay does not delay one with a short delay behind it.
func notBeforeOrder(b *bench) {
	start := time.Now()
	b.put(queue.Message{ID: "long", NotBefore: start.Add(2 * time.Second)})
	b.put(queue.Message{ID: "short", NotBefore: start.Add(300 * time.Millisecond)})
	s := b.open(2)
	b.receiveID(s, "short")
	b.notBefore(start, 300*time.Millisecond)
	b.receiveID(s, "long")
	b.notBefore(start, 2*time.Second)
}

// notBeforePast: a message whose time has passed comes at once.
func notBeforePast(b *bench) {
	b.put(queue.Message{ID: "a", NotBefore: time.Now().Add(-time.Hour)})
	d := b.receive(b.open(1))
	require.Equal(b.t, 1, d.Attempt)
	require.False(b.t, d.Redelivered)
}

// notBeforeFar: a message that is due when no clock counts any more is refused, or waits.
func notBeforeFar(b *bench) {
	for id, due := range map[string]time.Time{
		"in 400 years":           time.Now().AddDate(400, 0, 0),
		"in the year 36,812":     time.Unix(1<<40, 0),
		"at the end of all time": time.Unix(1<<60, 0),
	} {
		err := b.Publisher.Publish(b.ctx, queue.Message{ID: id, NotBefore: due})
		refused := errors.Is(err, queue.ErrConfig) || errors.Is(err, queue.ErrUnsupported)
		require.True(b.t, err == nil || refused, "%v", err)
	}
	s := b.open(3)
	b.publish("now")
	b.settle(s, queue.Ack, b.receiveID(s, "now"))
	b.silent(s)
}

// priorityOvertakes: of the waiting messages, the higher priority goes first, and equal ones in the
// order of publishing.
func priorityOvertakes(b *bench) {
	for _, m := range []queue.Message{
		{ID: "low"},
		{ID: "high 1", Priority: queue.MaxPriority},
		{ID: "high 2", Priority: queue.MaxPriority},
	} {
		b.put(m)
	}
	s := b.open(1)
	for _, want := range []string{"high 1", "high 2", "low"} {
		b.settle(s, queue.Ack, b.receiveID(s, want))
	}
}

// priorityStays: a delivery and a dead letter have it, and a message that comes back keeps it.
func priorityStays(b *bench) {
	b.put(queue.Message{ID: "high", Priority: queue.MaxPriority})
	s := b.open(1)
	d := b.receive(s)
	require.Equal(b.t, queue.MaxPriority, d.Priority)
	b.publish("low 1", "low 2")
	b.settle(s, queue.Requeue, d)
	// The slot may be given to the next one before the requeued one is there.
	if d = b.receive(s); d.ID != "high" {
		b.settle(s, queue.Ack, d)
		d = b.receiveID(s, "high")
	}
	require.Equal(b.t, queue.MaxPriority, d.Priority)
	b.settle(s, queue.DeadLetter, d)
	require.Equal(b.t, queue.MaxPriority, b.dead(1)[0].Priority)
}

// badPriority: an invalid priority is an error that wraps ErrConfig.
func badPriority(b *bench) {
	s := b.open(1)
	for _, priority := range []int{-1, queue.MaxPriority + 1} {
		err := b.Publisher.Publish(b.ctx, queue.Message{ID: "a", Priority: priority})
		require.ErrorIs(b.t, err, queue.ErrConfig)
		require.ErrorContains(b.t, err, "Message.Priority")
	}
	b.silent(s)
}

// repetitionReported: a publisher that returns results reports what its broker has dropped, within
// a call and beyond, and nothing else.
func repetitionReported(b *bench) {
	_, reports := b.Publisher.(queue.ResultPublisher)
	for call, want := range [][]bool{{false, reports, false}, {reports, reports, false}} {
		var msgs []queue.Message
		for i, key := range []string{"k", "k", ""} {
			msgs = append(msgs, queue.Message{ID: fmt.Sprintf("%d-%d", call, i), UniqueKey: key})
		}
		results, err := queue.PublishResults(b.ctx, b.Publisher, msgs...)
		require.NoError(b.t, err)
		var got []bool
		for _, r := range results {
			got = append(got, r.Duplicate)
		}
		require.Equal(b.t, want, got)
	}
	b.consumeAll([]string{"0-0", "0-2", "1-2"})
}

// uniqueOnce: of many messages with one key, in one call and in many, the first is enqueued; other
// keys are other messages.
func uniqueOnce(b *bench) {
	same := []queue.Message{{ID: "a", UniqueKey: "k"}, {ID: "b", UniqueKey: "k"}}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, same...), "a repetition is no error")
	b.put(queue.Message{ID: "c", UniqueKey: "k"})
	b.put(queue.Message{ID: "d", UniqueKey: "other"})
	s := b.open(5)
	ds := b.expect(s, []string{"a", "d"})
	b.silent(s)
	for _, d := range ds {
		require.Empty(b.t, d.UniqueKey, "it is an order to the publisher, and done")
		require.Equal(b.t, 1, d.Attempt)
	}
}

// uniqueHolds: a key is used up for the window also if its message is done, has come back, or is
// dead; but a dead letter can run again.
func uniqueHolds(b *bench) {
	s := b.open(1)
	for i, disposition := range []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter} {
		m := queue.Message{ID: fmt.Sprint("m", i), UniqueKey: disposition.String()}
		b.put(m)
		b.settle(s, disposition, b.receiveID(s, m.ID))
		b.put(m)
		if disposition == queue.Requeue || disposition == queue.Release {
			b.settle(s, queue.Ack, b.receiveID(s, m.ID))
		}
		b.silent(s)
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, b.dead(1)...))
	require.Equal(b.t, 2, b.receiveID(s, "m3").Attempt)
}

// releaseLater: a release with a delay costs no attempt and no slot, and comes back no earlier than
// asked.
func releaseLater(b *bench) {
	s := b.open(1)
	again := b.givenLater(s, b.putOff, 600*time.Millisecond)
	require.Equal(b.t, 1, again.Attempt)
	b.countsOn(s, again)
}

// putOff releases d with a delay.
func (b *bench) putOff(s queue.Session, d *queue.Delivery, after time.Duration) {
	b.t.Helper()
	batch := []queue.Settlement{{Delivery: d, Disposition: queue.Release, After: after}}
	require.NoError(b.t, s.Settle(b.ctx, batch), "Settle: release after %v", after)
}

// releaseOutlives: a delayed message belongs to the queue and not to the session.
func releaseOutlives(b *bench) {
	const delay = 500 * time.Millisecond
	b.publish("a")
	s := b.open(1)
	start := time.Now()
	b.putOff(s, b.receive(s), delay)
	b.close(s)
	require.Equal(b.t, 1, b.receive(b.open(1)).Attempt)
	b.notBefore(start, delay)
}

// refused returns a check that a message is refused with an error that names the field, and not
// enqueued, while another one of the same call is.
func refused(field string, bad queue.Message) func(b *bench) {
	return func(b *bench) {
		s := b.open(2)
		err := b.Publisher.Publish(b.ctx, bad)
		require.ErrorIs(b.t, err, queue.ErrUnsupported)
		require.ErrorContains(b.t, err, field)
		var failed *queue.PublishError
		require.ErrorAs(b.t, err, &failed)
		require.Equal(b.t, bad.ID, failed.Failed[0].ID)
		b.publish("fine")
		b.receiveID(s, "fine")
		b.silent(s)
	}
}
