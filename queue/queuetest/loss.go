package queuetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// lossCases: when a session ends, all unsettled messages are left, and no settled one.
func lossCases() []testCase {
	return []testCase{
		{"loss/unsettled deliveries come back", comeBackAfterBreak},
		{"loss/receive unblocks", breakUnblocks},
		{"loss/a dead session settles nothing", deadSessionSettles},
		{"loss/a source outlives its sessions", sourceOutlives},
		{"loss/out of order acks keep what is held", outOfOrder},
		{"loss/close after it", closeAfterBreak},
	}
}

// comeBackAfterBreak: deliveries that were held, or on their way, are delivered again and marked as
// redelivered.
func comeBackAfterBreak(b *bench) {
	ids := names(6)
	b.publish(ids...)
	s := b.open(4)
	held := idsOf(b.take(s, 3))
	b.cut(s)
	next := b.open(len(ids))
	for _, d := range b.expect(next, ids) {
		if slices.Contains(held, d.ID) {
			require.True(b.t, d.Redelivered, "%s was held before", d.ID)
			require.GreaterOrEqual(b.t, d.Attempt, 1)
		}
	}
	b.silent(next)
}

// breakUnblocks: the loss wakes a Receive that waits, even if every slot is taken.
func breakUnblocks(b *bench) {
	b.publish("a")
	full := b.open(1)
	b.receive(full)
	fullEnds, idleEnds := b.waiting(full), b.waiting(b.open(1))
	b.Break()
	require.ErrorIs(b.t, <-fullEnds, queue.ErrSessionLost)
	require.ErrorIs(b.t, <-idleEnds, queue.ErrSessionLost)
}

// deadSessionSettles: a settlement of session 1 after its loss is refused, and never reaches
// session 2, where the same tags exist.
func deadSessionSettles(b *bench) {
	ids := names(3)
	b.publish(ids...)
	s1 := b.open(3)
	old := b.take(s1, 3)
	b.cut(s1)
	s2 := b.open(3)
	b.expect(s2, ids)
	for _, disposition := range []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter} {
		require.ErrorIs(b.t, s1.Settle(b.ctx, batchOf(disposition, old...)), queue.ErrSessionLost, "%v", disposition)
	}
	b.held(3)
	b.silent(s2)
	b.close(s2)
	b.expect(b.open(3), ids)
	b.dead(0)
}

// sourceOutlives: after the loss of a session, source and publisher continue.
func sourceOutlives(b *bench) {
	for _, id := range names(3) {
		s := b.open(1)
		b.publish(id)
		d := b.receive(s)
		require.Equal(b.t, id, d.ID)
		b.settle(s, queue.Ack, d)
		b.held(0)
		b.cut(s)
	}
}

// outOfOrder: acks in any order never acknowledge a delivery that is still held. Rounds end
// alternately with Close, which flushes, so that exactly the unsettled deliveries come back, and
// with a loss. With a loss, an ack on its way may be lost as well, unless the broker reported it.
func outOfOrder(b *bench) {
	const rounds, n = 6, 24
	for round := range rounds {
		b.publish(namesOf(round, n)...)
		s := b.open(n)
		ds := b.take(s, n)
		rand.Shuffle(n, func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		acked := ds[:1+rand.IntN(n-1)]
		b.ackInPieces(s, acked)
		exact := true
		if round%2 == 0 {
			b.close(s)
		} else {
			exact = b.held(n - len(acked))
			b.cut(s)
		}
		b.unsettled(idsOf(ds[len(acked):]), exact)
	}
}

// namesOf returns n message ids that no other round has, because a broker may take an id that it
// received a moment ago for a repeated publish.
func namesOf(round, n int) []string {
	ids := names(n)
	for i := range ids {
		ids[i] = fmt.Sprintf("r%d-%s", round, ids[i])
	}
	return ids
}

// ackInPieces settles ds in batches of random sizes.
func (b *bench) ackInPieces(s queue.Session, ds []*queue.Delivery) {
	b.t.Helper()
	for len(ds) > 0 {
		size := 1 + rand.IntN(len(ds))
		b.settle(s, queue.Ack, ds[:size]...)
		ds = ds[size:]
	}
}

// unsettled requires that ids come back in a new session, and acknowledges them. If exact, it
// requires that nothing else comes back.
func (b *bench) unsettled(ids []string, exact bool) {
	b.t.Helper()
	s := b.open(1)
	missing := map[string]bool{}
	for _, id := range ids {
		missing[id] = true
	}
	for len(missing) > 0 {
		d := b.receive(s)
		if exact {
			require.True(b.t, missing[d.ID], "%s was settled, or came back twice", d.ID)
		}
		delete(missing, d.ID)
		b.settle(s, queue.Ack, d)
	}
	if exact {
		b.silent(s)
	} else {
		b.drain(s)
	}
	b.close(s)
}

// drain acknowledges the rest, until nothing arrives for a while.
func (b *bench) drain(s queue.Session) {
	b.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(b.ctx, silence)
		d, err := s.Receive(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		require.NoError(b.t, err)
		b.settle(s, queue.Ack, d)
	}
}

// closeAfterBreak: a lost session can be closed, so that its user need not distinguish it.
func closeAfterBreak(b *bench) {
	s := b.open(1)
	b.cut(s)
	_ = s.Close(b.ctx) // may return that it was lost before
	require.NoError(b.t, s.Close(b.ctx))
	require.NoError(b.t, b.ctx.Err())
}
