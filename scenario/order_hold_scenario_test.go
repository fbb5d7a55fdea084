package scenario_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// heldLongest returns the longest time that a delivery was held at the memory broker, up to now.
func heldLongest(r *rig.Rig) time.Duration {
	type delivery struct {
		session int
		tag     uint64
	}
	since := map[delivery]time.Time{}
	longest := time.Duration(0)
	for _, e := range r.Memory.Journal() {
		d := delivery{e.Session, e.Tag}
		switch e.Op { //nolint:exhaustive // the others say nothing about it
		case memory.Delivered:
			since[d] = e.Time
		case memory.Settled:
			longest = max(longest, e.Time.Sub(since[d]))
			delete(since, d)
		}
	}
	for _, at := range since {
		longest = max(longest, time.Since(at))
	}
	return longest
}

// TestScenario29_StrictNeverOutlastsHold: for all decisions, in any number, a delivery
// is held for Hold at the most. Beyond that, a failed one is dead-lettered, and one that is snoozed
// or released goes back to the queue.
func TestScenario29_StrictNeverOutlastsHold(t *testing.T) {
	const hold = 2 * time.Minute
	for name, tc := range map[string]struct {
		run  func(ctx context.Context, job gentask.Job[any]) error
		dead bool
	}{
		"a long snooze": {run: func(context.Context, gentask.Job[any]) error { return gentask.Snooze(6 * time.Hour) }},
		"the longest snooze": {run: func(context.Context, gentask.Job[any]) error {
			return gentask.Snooze(math.MaxInt64)
		}},
		"short snoozes": {run: func(context.Context, gentask.Job[any]) error { return gentask.Snooze(time.Second) }},
		"releases":      {run: func(_ context.Context, job gentask.Job[any]) error { return job.Settle(gentask.Release()) }},
		"the longest requeue": {dead: true, run: func(_ context.Context, job gentask.Job[any]) error {
			return job.Settle(gentask.Requeue(math.MaxInt64))
		}},
		"settled early": {run: func(ctx context.Context, job gentask.Job[any]) error {
			return errors.Join(job.Settle(gentask.Requeue(time.Minute)), rig.Pause(ctx, 90*time.Second))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Limit = 24 * time.Hour
				r.Send(keyed(4, "a", "b", "c", "d")...)
				c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
					job, _ := gentask.FromContext(ctx)
					return tc.run(ctx, job)
				}), gentask.Config{
					Concurrency: 4, Timeout: -1, Retry: gentask.Retry{MaxAttempts: -1},
					Policy: gentask.Policy{Order: gentask.Order{Key: byCustomer.Key, Strict: true, Hold: hold}},
				})
				time.Sleep(8 * time.Minute)
				r.Rest()
				require.LessOrEqual(r, heldLongest(r), hold+time.Second)
				if tc.dead {
					require.Len(r, r.Memory.DeadLetters(), 4)
				} else {
					require.Empty(r, r.Memory.DeadLetters())
				}
				r.Stop(c)
			})
		})
	}
}

// TestScenario29_KeyBreakerReleasesAfterHold: what is held in its order because its breaker is open
// goes back after Hold, however long the breaker stays open.
func TestScenario29_KeyBreakerReleasesAfterHold(t *testing.T) {
	const hold = 20 * time.Minute
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = 48 * time.Hour
		r.Send(keyed(8, "a")...)
		c := r.Start(r.Handle(func(context.Context, string) error { return errDown }), gentask.Config{
			Concurrency: 2, Prefetch: 8, Retry: gentask.Retry{MaxAttempts: -1},
			Policy: gentask.Policy{
				Order: gentask.Order{Key: byCustomer.Key, Hold: hold},
				KeyBreaker: gentask.KeyBreaker{Key: byCustomer.Key, Breaker: gentask.Breaker{
					FailureRate: 0.5, MinRuns: 2, Wait: gentask.Backoff{Base: 6 * time.Hour, Max: 6 * time.Hour},
				}},
			},
		})
		time.Sleep(90 * time.Minute)
		r.Rest()
		require.LessOrEqual(r, heldLongest(r), hold+time.Second)
		r.Stop(c)
	})
}
