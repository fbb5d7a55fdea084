package scenario_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
)

// sendKeyed publishes n messages of a key, in the header "key", with ids like "key 7".
func sendKeyed(r *rig.Rig, key string, n int) {
	r.Helper()
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{ID: fmt.Sprint(key, " ", i), Headers: map[string]string{"key": key}, Body: []byte(`""`)}
	}
	r.Send(msgs...)
}

func keyIn(ctx context.Context) string {
	job, _ := gentask.FromContext(ctx)
	return job.Headers()["key"]
}

// TestScenario33_KeyRate: no window of any length has more starts of a key than allowed, through
// lost sessions and a crashed ledger. Each key uses its whole rate. Messages without a key, or with
// one of their own, are not slowed.
func TestScenario33_KeyRate(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, perSecond, burst = 200, 10, 3
		r.Allow.Crashes = true
		began, by := time.Now(), map[string]*promises.Starts{"a": {}, "b": {}, "": {}}
		for key := range by {
			sendKeyed(r, key, jobs)
		}
		r.Start(r.Handle(func(ctx context.Context, _ string) error { by[keyIn(ctx)].Note(); return nil }),
			gentask.Config{Concurrency: 2, Prefetch: 600, Policy: gentask.Policy{
				KeyRate: gentask.KeyRate{Key: gentask.KeyHeader("key"), Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}},
			}})
		time.Sleep(time.Second)
		require.GreaterOrEqual(r, len(by[""].Since(began)), jobs)
		r.Break()
		time.Sleep(3 * time.Second)
		r.Kill("ledger")
		r.Finish()
		for _, key := range []string{"a", "b"} {
			at := by[key].Since(began)
			require.GreaterOrEqual(r, len(at), jobs, "one or the other twice, with its ack lost")
			promises.RequireRate(r, at, perSecond, burst, 0)
		}
		require.Less(r, time.Since(began), 25*time.Second, "both at the same time, and a little for the interruptions")
		require.Empty(r, r.Events(gentask.EventHealed), "a consumer that waits for its rate has not stalled")
	})
}

// TestScenario33_KeyRateAndRate: with both, a key has its rate, and all together have theirs.
func TestScenario33_KeyRateAndRate(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const keys, jobs = 5, 40
		began, by, all := time.Now(), map[string]*promises.Starts{}, promises.Starts{}
		for i := range keys {
			key := fmt.Sprint("k", i)
			by[key] = &promises.Starts{}
			sendKeyed(r, key, jobs)
		}
		r.Start(r.Handle(func(ctx context.Context, _ string) error { by[keyIn(ctx)].Note(); all.Note(); return nil }),
			gentask.Config{Prefetch: keys * jobs, Policy: gentask.Policy{
				Rate:    gentask.Rate{PerSecond: 20, Burst: 1},
				KeyRate: gentask.KeyRate{Key: gentask.KeyHeader("key"), Rate: gentask.Rate{PerSecond: 5, Burst: 1}},
			}})
		r.Finish()
		promises.RequireRate(r, all.Since(began), 20, 1, 0)
		for _, s := range by {
			promises.RequireRate(r, s.Since(began), 5, 1, 0)
		}
		require.Less(r, time.Since(began), 20*time.Second)
	})
}

// TestScenario33_KeyRateChanges: at run time, from none and to none.
func TestScenario33_KeyRateChanges(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		by := map[string]*promises.Starts{"a": {}, "b": {}}
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { by[keyIn(ctx)].Note(); return nil }), gentask.Config{
			Prefetch: 500, Policy: gentask.Policy{KeyRate: gentask.KeyRate{Key: gentask.KeyHeader("key")}},
		})
		require.NoError(r, c.SetKeyRate(r.Context(), gentask.Rate{PerSecond: 1, Burst: 1}))
		sendKeyed(r, "a", 250)
		sendKeyed(r, "b", 250)
		for _, perSecond := range []float64{10, 1} {
			require.NoError(r, c.SetKeyRate(r.Context(), gentask.Rate{PerSecond: perSecond, Burst: 1}))
			r.Rest()
			since := time.Now().Add(1)
			time.Sleep(20 * time.Second)
			for key, s := range by {
				at := s.Since(since)
				promises.RequireRate(r, at, perSecond, 1, 0)
				require.GreaterOrEqual(r, float64(len(at)), 20*perSecond-1, key)
			}
		}
		require.NoError(r, c.SetKeyRate(r.Context(), gentask.Rate{}))
		r.Limit = time.Second
		r.Finish()
		r.Limit = time.Minute
		require.ErrorIs(r, c.SetKeyRate(r.Context(), gentask.Rate{PerSecond: -1}), gentask.ErrConfig)
		require.ErrorIs(r, r.New(r.Handle(nil), gentask.Config{}).SetKeyRate(r.Context(), gentask.Rate{}), gentask.ErrConfig)
	})
}
