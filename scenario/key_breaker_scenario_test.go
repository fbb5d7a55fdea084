package scenario_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario28_KeyBreaker: what one key depends on is down for ten minutes. Its messages are
// given back and keep their attempts, single ones probe, and it is back by itself; messages of
// another key are run as they come all the time.
func TestScenario28_KeyBreaker(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, outage, longest = 200, 10 * time.Minute, 30 * time.Second
		began := time.Now()
		var failed atomic.Int64
		sendKeyed(r, "down", jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if keyIn(ctx) == "down" && time.Since(began) < outage {
				failed.Add(1)
				return errDown
			}
			return nil
		}), gentask.Config{Concurrency: 1, Prefetch: 5, Policy: gentask.Policy{KeyBreaker: gentask.KeyBreaker{
			Key:     gentask.KeyHeader("key"),
			Breaker: gentask.Breaker{FailureRate: 0.5, Wait: gentask.Backoff{Base: time.Second, Max: longest}},
		}}})
		for time.Since(began) < outage-time.Second {
			time.Sleep(time.Second)
			before := r.Runs.Total() - int(failed.Load())
			sendKeyed(r, "up", 1)
			time.Sleep(10 * time.Millisecond)
			require.Equal(r, before+1, r.Runs.Total()-int(failed.Load()), "the other key is not slowed")
		}
		h := c.Health()
		require.Equal(r, gentask.Consuming, h.State)
		require.Len(r, h.Breakers, 1)
		require.Equal(r, "down", h.Breakers[0].Key)
		require.ErrorIs(r, h.Breakers[0].Cause, errDown)
		require.Less(r, failed.Load(), int64(70), "the first ones, and one for each probe")
		r.Log("runs that failed:", failed.Load())
		r.Limit = 20 * time.Minute // the first ones have a back-off of their own
		r.Finish()
		time.Sleep(time.Second)
		require.Empty(r, c.Health().Breakers)
		require.Zero(r, r.Memory.Stats().DeadLettered)
		for _, ev := range r.Events(gentask.EventBreakerOpened, gentask.EventBreakerProbing, gentask.EventBreakerClosed) {
			require.Equal(r, "down", ev.Key)
		}
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.Disposition == queue.Release {
				require.ErrorIs(r, ev.Reason, gentask.ErrBreakerOpen)
				require.ErrorIs(r, ev.Reason, errDown)
				require.Positive(r, ev.After)
			}
		}
		turnsOf(r)
	})
}

// TestScenario28_KeyBreakerKeepsOrder: messages of a key that are in order are held, and run in
// order when it is back.
func TestScenario28_KeyBreakerKeepsOrder(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, outage = 20, 10 * time.Minute
		began := time.Now()
		var mu sync.Mutex
		var failed int
		var done []string
		sendKeyed(r, "down", jobs)
		sendKeyed(r, "up", jobs)
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			mu.Lock()
			defer mu.Unlock()
			if keyIn(ctx) == "down" {
				if time.Since(began) < outage {
					failed++
					return errDown
				}
				done = append(done, id)
			}
			return nil
		}), gentask.Config{Concurrency: 1, Prefetch: 2 * jobs, Retry: gentask.Retry{
			MaxAttempts: -1, Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(0)}},
		}, Policy: gentask.Policy{
			Order: gentask.Order{Key: gentask.KeyHeader("key"), Strict: true},
			KeyBreaker: gentask.KeyBreaker{
				Key: gentask.KeyHeader("key"), Breaker: gentask.Breaker{FailureRate: 0.5, MinRuns: 2},
			},
		}})
		time.Sleep(time.Second)
		require.Equal(r, jobs, r.Memory.Stats().Acked, "the other key")
		r.Limit = time.Hour
		r.Finish()
		mu.Lock()
		defer mu.Unlock()
		require.Less(r, failed, 40)
		var want []string
		for i := range jobs {
			want = append(want, fmt.Sprint("down ", i))
		}
		require.Equal(r, want, done)
		require.Zero(r, r.Memory.Stats().Released)
	})
}
