package queuetest

import (
	"context"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// inspectCases say what the counts of a source are worth that is a queue.Inspector. One that isn't
// is no worse a source: there is nothing to check then.
func inspectCases() []testCase {
	return []testCase{
		{"inspect/counts what is there", countsAll},
		{"inspect/of an empty queue", countsNothing},
		{"inspect/with an ended context", inspectEnded},
	}
}

// stands requires that the counts become want, where the driver can count them. Where it can't
// count the delayed, they may be among the held.
func (b *bench) stands(i queue.Inspector, want queue.Stats) {
	b.t.Helper()
	var got queue.Stats
	require.Eventually(b.t, func() bool {
		var err error
		if got, err = i.Inspect(b.ctx); err != nil {
			return false
		}
		held := want.Held
		if got.Delayed == queue.CountUnknown {
			held += want.Delayed
		}
		known := func(got, want int) bool { return got == want || got == queue.CountUnknown }
		return got.Ready == want.Ready && got.DeadLettered == want.DeadLettered && known(got.Delayed, want.Delayed) &&
			known(got.Held, held) && known(got.Consumers, want.Consumers)
	}, counting, 20*time.Millisecond, "want %+v, or what is unknown", want)
	left := 0
	for _, n := range []int{got.Ready, got.Delayed, got.Held} {
		left += max(n, 0)
	}
	require.Equal(b.t, left, got.Left())
}

// countsAll follows messages on their ways.
func countsAll(b *bench) {
	i, can := b.Source.(queue.Inspector)
	if !can {
		return
	}
	b.publish(names(5)...)
	b.stands(i, queue.Stats{Ready: 5})
	s := b.open(2)
	held := b.take(s, 2)
	b.stands(i, queue.Stats{Ready: 3, Held: 2, Consumers: 1})
	b.settle(s, queue.DeadLetter, held[0])
	b.requeue(s, held[1], time.Hour)
	b.take(s, 2)
	b.stands(i, queue.Stats{Ready: 1, Delayed: 1, Held: 2, DeadLettered: 1, Consumers: 1})
	b.close(s)
	b.stands(i, queue.Stats{Ready: 3, Delayed: 1, DeadLettered: 1})
}

// countsNothing: a queue that was never used has nothing, and one whose messages are done neither.
func countsNothing(b *bench) {
	i, can := b.Source.(queue.Inspector)
	if !can {
		return
	}
	b.stands(i, queue.Stats{})
	b.publish("a")
	s := b.open(1)
	b.settle(s, queue.Ack, b.receiveID(s, "a"))
	b.stands(i, queue.Stats{Consumers: 1})
	b.close(s)
	b.stands(i, queue.Stats{})
}

// inspectEnded: there are no counts without an answer.
func inspectEnded(b *bench) {
	i, can := b.Source.(queue.Inspector)
	if !can {
		return
	}
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := i.Inspect(ctx)
	require.ErrorIs(b.t, err, context.Canceled)
}
