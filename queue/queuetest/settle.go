package queuetest

import (
	"math/rand/v2"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// settleCases: each delivery is settled exactly once, alone or in a batch.
func settleCases() []testCase {
	return []testCase{
		{"settle/ack removes", ackRemoves},
		{"settle/nothing is fine", settleNothing},
		{"settle/twice in one batch", twiceInBatch},
		{"settle/only the first counts", firstCounts},
		{"settle/a settled one does not hold up the others", othersApplied},
		{"settle/a delivery of another session is refused", foreignDelivery},
		{"settle/bad settlements are refused", badSettlements},
		{"settle/a shuffled batch of all dispositions", shuffledBatch},
	}
}

// ackRemoves: an acknowledged message is gone for good.
func ackRemoves(b *bench) {
	b.publish("a")
	s := b.open(1)
	b.settle(s, queue.Ack, b.receive(s))
	b.silent(s)
	b.held(0)
	b.close(s)
	b.empty()
}

// settleNothing: an empty batch does nothing.
func settleNothing(b *bench) {
	s := b.open(1)
	require.NoError(b.t, s.Settle(b.ctx, nil))
	require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{}))
}

// twiceInBatch: of two settlements of a delivery in one batch, exactly one is applied.
func twiceInBatch(b *bench) {
	b.publish("a")
	s := b.open(1)
	d := b.receive(s)
	err := s.Settle(b.ctx, []queue.Settlement{
		{Delivery: d, Disposition: queue.Ack},
		{Delivery: d, Disposition: queue.Ack},
	})
	b.failures(err, map[uint64]error{d.Tag: queue.ErrSettled})
	b.close(s)
	b.empty()
}

// firstCounts: every settlement after the first is refused, and changes nothing.
func firstCounts(b *bench) {
	later := []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter}
	b.publish(names(len(later))...)
	s := b.open(1)
	for _, disposition := range later {
		d := b.receive(s)
		b.settle(s, queue.Ack, d)
		err := s.Settle(b.ctx, []queue.Settlement{{Delivery: d, Disposition: disposition}})
		b.failures(err, map[uint64]error{d.Tag: queue.ErrSettled})
	}
	b.silent(s) // and the session has survived
	b.close(s)
	b.empty()
	b.dead(0)
}

// othersApplied: a batch with one delivery that was settled before applies to the others.
func othersApplied(b *bench) {
	b.publish(names(5)...)
	s := b.open(5)
	ds := b.take(s, 5)
	b.settle(s, queue.Ack, ds[2])
	err := s.Settle(b.ctx, batchOf(queue.Ack, ds...))
	b.failures(err, map[uint64]error{ds[2].Tag: queue.ErrSettled})
	b.close(s)
	b.empty()
}

// foreignDelivery: a session does not settle the delivery of another one, though it has handed out
// the same tag number itself.
func foreignDelivery(b *bench) {
	b.publish("a", "b")
	s1, s2 := b.open(1), b.open(1)
	d1, d2 := b.receive(s1), b.receive(s2)
	err := s2.Settle(b.ctx, batchOf(queue.Ack, d1))
	b.failures(err, map[uint64]error{d1.Tag: queue.ErrSettled})
	b.settle(s2, queue.Requeue, d2)
	b.settle(s2, queue.Ack, b.receiveID(s2, d2.ID)) // s1 is full, so it cannot go there
	b.settle(s1, queue.Ack, d1)
	b.close(s1)
	b.close(s2)
	b.empty()
}

// badSettlements: a settlement without a disposition or without a delivery is refused; the delivery
// is still held, and the session unharmed.
func badSettlements(b *bench) {
	b.publish("a")
	s := b.open(1)
	d := b.receive(s)
	for _, bad := range []queue.Settlement{
		{Delivery: d},
		{Delivery: d, Disposition: queue.DeadLetter + 1},
		{Disposition: queue.Ack},
		{},
	} {
		var failed *queue.SettleError
		require.ErrorAs(b.t, s.Settle(b.ctx, []queue.Settlement{bad}), &failed, "settlement %+v", bad)
		require.Len(b.t, failed.Failed, 1)
	}
	b.silent(s)
	b.settle(s, queue.Ack, d)
	b.close(s)
	b.empty()
}

// shuffledBatch: many settlements in any order, of every disposition, in one call.
func shuffledBatch(b *bench) {
	const n = 60
	b.publish(names(n)...)
	s := b.open(n)
	ds := b.take(s, n)
	rand.Shuffle(n, func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
	dispositions := []queue.Disposition{queue.Ack, queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter}
	attempts := map[string]int{}
	batch := make([]queue.Settlement, n)
	for i, d := range ds {
		batch[i] = queue.Settlement{Delivery: d, Disposition: dispositions[i%len(dispositions)]}
		switch batch[i].Disposition {
		case queue.Requeue:
			attempts[d.ID] = 2
		case queue.Release:
			attempts[d.ID] = 1
		case queue.Ack, queue.DeadLetter:
		}
	}
	require.NoError(b.t, s.Settle(b.ctx, batch))
	back := map[string]int{}
	for _, d := range b.take(s, len(attempts)) {
		back[d.ID] = d.Attempt
	}
	require.Equal(b.t, attempts, back)
	b.silent(s)
	b.dead(n / len(dispositions))
}
