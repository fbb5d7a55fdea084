package promises

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// BreakerOpens is scenario 28: while everything fails the messages stay at the broker and keep
// their attempts. When the outage is over the consumer is back by itself, in the session that it
// had.
func BreakerOpens(r *rig.Rig) {
	const jobs, probes = 300, 3
	var up atomic.Bool
	r.Publish(jobs)
	c := r.Start(r.Handle(func(context.Context, string) error {
		if up.Load() {
			return nil
		}
		return errDown
	}), gentask.Config{Concurrency: 10, Prefetch: 20, Policy: gentask.Policy{Breaker: gentask.Breaker{
		FailureRate: 0.5, MinRuns: 5, Wait: gentask.Backoff{Base: 200 * time.Millisecond, Max: 500 * time.Millisecond},
	}}})
	r.Eventually("it is open, and holds nothing", func() bool {
		return c.Health().State == gentask.BreakerOpen && c.Health().Held == 0
	})
	r.Eventually("it has probed", func() bool { return len(r.Events(gentask.EventBreakerProbing)) >= probes })
	failed := r.Runs.Total()
	require.LessOrEqual(r, failed, 20+2*probes+2, "the first ones, and one for each probe")
	up.Store(true)
	r.Finish()

	require.Equal(r, gentask.Consuming, c.Health().State)
	require.Empty(r, r.Events(gentask.EventSessionLost))
	require.Len(r, r.Events(gentask.EventBreakerClosed), 1)
	later := 0
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.Disposition == queue.Ack && ev.Attempt > 1 {
			later++
		}
	}
	require.LessOrEqual(r, later, failed+2, "what was given back has spent no attempt")
	dead, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Empty(r, dead)
}
