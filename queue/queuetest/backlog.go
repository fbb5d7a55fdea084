package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// backlogCases are the cases of [queue.BacklogReporter]. They pass for a source that isn't one.
func backlogCases() []testCase {
	return []testCase{{"backlog/counts what waits", countsWaiting}}
}

// countsWaiting: deliveries that are held do not count, and settled ones neither.
func countsWaiting(b *bench) {
	reporter, can := b.Source.(queue.BacklogReporter)
	if !can {
		return
	}
	waiting := func(want int) {
		require.Eventually(b.t, func() bool {
			n, err := reporter.Backlog(b.ctx)
			return err == nil && n == want
		}, arrival, 10*time.Millisecond, "messages that wait: %d", want)
	}
	b.publish(names(5)...)
	waiting(5)
	s := b.open(2)
	held := b.take(s, 2)
	waiting(3)
	require.NoError(b.t, s.Settle(b.ctx, batchOf(queue.Ack, held...)))
	b.take(s, 2)
	waiting(1)
	require.NoError(b.t, s.Close(b.ctx))
}
