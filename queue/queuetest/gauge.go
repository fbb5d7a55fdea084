package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// gaugeCases say what a source has to tell that is a queue.Gauge. One that isn't is no worse a source: there is nothing to check then.
func gaugeCases() []testCase {
	return []testCase{{"gauge/counts what waits", countsWaiting}}
}

// countsWaiting: what is held does not wait, and neither does what is settled.
func countsWaiting(b *bench) {
	gauge, can := b.Source.(queue.Gauge)
	if !can {
		return
	}
	waiting := func(want int) {
		require.Eventually(b.t, func() bool {
			n, err := gauge.Waiting(b.ctx)
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
