package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// returnCases: a delivery goes back without a settlement, if a session is a queue.Returner. They
// pass for other sessions.
func returnCases() []testCase {
	return []testCase{
		{"return/comes back whole", returnComesBack},
		{"return/frees the slot", returnFreesSlot},
		{"return/ends the delivery", returnEnds},
		{"return/of any disposition in one batch", returnAny},
	}
}

// giveBack returns deliveries whose settlement by disposition was refused; it reports whether s
// supports that.
func (b *bench) giveBack(s queue.Session, disposition queue.Disposition, after time.Duration,
	ds ...*queue.Delivery,
) bool {
	b.t.Helper()
	returner, can := s.(queue.Returner)
	if !can {
		return false
	}
	batch := batchOf(disposition, ds...)
	for i := range batch {
		batch[i].After = after
	}
	require.NoError(b.t, returner.Return(b.ctx, batch), "Return of %d", len(ds))
	return true
}

// returnComesBack: the message is delivered again unchanged, marked, for the same attempt or the
// next.
func returnComesBack(b *bench) {
	sent := queue.Message{
		ID: "order-18", Body: []byte("body\x00\xff"), Headers: map[string]string{"trace": "é"},
		ContentType: "application/x-order",
	}
	s := b.open(1)
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	d := b.receive(s)
	if !b.giveBack(s, queue.DeadLetter, 100*time.Millisecond, d) {
		return
	}
	again := b.receive(s)
	require.Equal(b.t, d.ID, again.ID)
	require.Equal(b.t, d.Body, again.Body)
	require.Equal(b.t, "é", again.Headers["trace"])
	require.Equal(b.t, d.ContentType, again.ContentType)
	require.True(b.t, d.Time.Equal(again.Time), "%v, was %v", again.Time, d.Time)
	require.Contains(b.t, []int{d.Attempt, d.Attempt + 1}, again.Attempt)
	require.True(b.t, again.Redelivered || b.Lacks[Loss] != "", "a broker that can lose sessions marks the delivery")
	letters, err := b.DeadLetters(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, letters, "it was not dead-lettered")
	b.settle(s, queue.Ack, again)
	b.silent(s)
}

// returnFreesSlot: others get the slot at once.
func returnFreesSlot(b *bench) {
	s := b.open(2)
	b.publish("a", "b")
	ds := b.take(s, 2)
	if !b.giveBack(s, queue.Requeue, 0, ds...) {
		return
	}
	b.settle(s, queue.Ack, b.take(s, 2)...)
	b.silent(s)
}

// returnEnds: a returned delivery can be neither settled nor returned again.
func returnEnds(b *bench) {
	s := b.open(1)
	b.publish("a")
	d := b.receive(s)
	if !b.giveBack(s, queue.Requeue, 0, d) {
		return
	}
	require.ErrorIs(b.t, s.Settle(b.ctx, batchOf(queue.Ack, d)), queue.ErrSettled)
	require.ErrorIs(b.t, s.(queue.Returner).Return(b.ctx, batchOf(queue.Ack, d)), queue.ErrSettled)
	b.settle(s, queue.Ack, b.receive(s))
	b.silent(s)
	b.close(s)
	require.Error(b.t, s.(queue.Returner).Return(b.ctx, batchOf(queue.Ack, d)))
}

// returnAny: after any disposition, all come back, and each can be settled then.
func returnAny(b *bench) {
	s := b.open(4)
	b.publish("a", "b", "c", "d")
	ds := b.take(s, 4)
	returner, can := s.(queue.Returner)
	if !can {
		return
	}
	var batch []queue.Settlement
	for i, d := range ds {
		batch = append(batch, queue.Settlement{
			Delivery: d, Disposition: queue.Ack + queue.Disposition(i),
			Reason: "refused",
		})
	}
	require.NoError(b.t, returner.Return(b.ctx, batch))
	b.settle(s, queue.Ack, b.take(s, 4)...)
	b.silent(s)
	b.close(s)
	b.empty()
}
