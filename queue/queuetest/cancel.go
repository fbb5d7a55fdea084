package queuetest

import (
	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// cancelCases: a session stops receiving, and starts again, while it holds deliveries.
func cancelCases() []testCase {
	return []testCase{
		{"cancel/sends no more", cancelStops},
		{"cancel/held deliveries can be settled", cancelSettles},
		{"cancel/unblocks receive", cancelUnblocks},
		{"cancel/what was on its way is not lost", cancelLosesNothing},
		{"cancel/costs no attempt", cancelCostsNothing},
		{"cancel/twice", cancelTwice},
		{"cancel/resume", resumeFlows},
		{"cancel/resume without cancel", resumeAlone},
	}
}

// cancelStops: after Cancel at most the deliveries on their way arrive, then ErrCancelled, though
// slots are free and messages wait.
func cancelStops(b *bench) {
	b.publish(names(10)...)
	s := b.open(4)
	ds := b.take(s, 2)
	require.NoError(b.t, s.Cancel(b.ctx))
	ds = append(ds, b.rest(s)...)
	require.LessOrEqual(b.t, len(ds), 4)
	b.settle(s, queue.Ack, ds...)
	b.publish("later")
	b.ends(s, queue.ErrCancelled)
}

// cancelSettles: after Cancel every disposition still works.
func cancelSettles(b *bench) {
	b.publish(names(4)...)
	s := b.open(4)
	ds := b.take(s, 4)
	require.NoError(b.t, s.Cancel(b.ctx))
	for i, disposition := range []queue.Disposition{queue.Ack, queue.Requeue, queue.Release, queue.DeadLetter} {
		b.settle(s, disposition, ds[i])
	}
	b.ends(s, queue.ErrCancelled)
	b.held(0)
	b.close(s)
	next := b.open(4)
	b.expect(next, []string{ds[1].ID, ds[2].ID})
	b.silent(next)
	b.dead(1)
}

// cancelUnblocks: Cancel wakes a Receive that waits.
func cancelUnblocks(b *bench) {
	s := b.open(1)
	result := b.waiting(s)
	require.NoError(b.t, s.Cancel(b.ctx))
	require.ErrorIs(b.t, <-result, queue.ErrCancelled)
}

// cancelLosesNothing: deliveries that were on their way and not received come back when the session
// is closed.
func cancelLosesNothing(b *bench) {
	ids := names(10)
	b.publish(ids...)
	s := b.open(6)
	ds := b.take(s, 2)
	require.NoError(b.t, s.Cancel(b.ctx))
	b.settle(s, queue.Ack, ds...)
	b.close(s)
	next := b.open(len(ids))
	b.expect(next, without(ids, idsOf(ds)...))
	b.silent(next)
}

// cancelCostsNothing: a delivery that is on its way at a cancel is handed out before the end, or
// comes back as the attempt that it was. Cancels come while messages are published, with free slots
// and without.
func cancelCostsNothing(b *bench) {
	const cancels, perCancel = 60, 3
	s := b.open(perCancel + 1)
	published := make(chan error, 1)
	ids := names(cancels * perCancel)
	go func() {
		for _, id := range ids {
			if err := b.Publisher.Publish(b.ctx, queue.Message{ID: id}); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	var again []string
	for seen := 0; seen < len(ids); {
		ds := b.take(s, 1)
		require.NoError(b.t, s.Cancel(b.ctx))
		ds = append(ds, b.rest(s)...)
		for _, d := range ds {
			if d.Attempt != 1 {
				again = append(again, d.ID)
			}
		}
		seen += len(ds)
		b.settle(s, queue.Ack, ds...)
		require.NoError(b.t, s.Resume(b.ctx))
	}
	require.NoError(b.t, <-published)
	require.Empty(b.t, again, "%d of %d messages had a further attempt", len(again), len(ids))
}

// cancelTwice: a second Cancel does nothing.
func cancelTwice(b *bench) {
	s := b.open(1)
	require.NoError(b.t, s.Cancel(b.ctx))
	require.NoError(b.t, s.Cancel(b.ctx))
	b.ends(s, queue.ErrCancelled)
}

// resumeFlows: Resume undoes Cancel, again and again, and each message still comes exactly once.
func resumeFlows(b *bench) {
	ids := names(12)
	b.publish(ids...)
	s := b.open(3)
	var got []string
	for range 3 {
		ds := b.take(s, 2)
		require.NoError(b.t, s.Cancel(b.ctx))
		ds = append(ds, b.rest(s)...)
		b.settle(s, queue.Ack, ds...)
		got = append(got, idsOf(ds)...)
		require.NoError(b.t, s.Resume(b.ctx))
	}
	for len(got) < len(ids) {
		d := b.receive(s)
		b.settle(s, queue.Ack, d)
		got = append(got, d.ID)
	}
	require.ElementsMatch(b.t, ids, got)
	b.silent(s)
}

// resumeAlone: Resume of a session that was not cancelled does nothing; its prefetch stays the
// same.
func resumeAlone(b *bench) {
	s := b.open(2)
	require.NoError(b.t, s.Resume(b.ctx))
	b.publish(names(4)...)
	b.take(s, 2)
	require.NoError(b.t, s.Resume(b.ctx))
	b.silent(s)
}

// rest receives the deliveries on their way until the session reports ErrCancelled.
func (b *bench) rest(s queue.Session) []*queue.Delivery {
	b.t.Helper()
	var ds []*queue.Delivery
	for {
		d, err := s.Receive(b.ctx)
		if err != nil {
			require.ErrorIs(b.t, err, queue.ErrCancelled)
			return ds
		}
		ds = append(ds, d)
	}
}
