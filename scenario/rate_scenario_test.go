package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario33_Rate: no window of any length has more starts than allowed, through lost sessions
// and a crashed ledger, and the rate is made use of.
func TestScenario33_Rate(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, perSecond, burst = 1000, 50, 5
		r.Allow.Crashes = true
		var s promises.Starts
		began := time.Now()
		r.Publish(jobs)
		r.Start(r.Handle(func(context.Context, string) error { s.Note(); return nil }),
			gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}}})
		time.Sleep(3 * time.Second)
		r.Break()
		time.Sleep(3 * time.Second)
		r.Kill("ledger")
		r.Finish()
		promises.RequireRate(r, s.Since(began), perSecond, burst, 0)
		require.Less(r, time.Since(began), 25*time.Second, "20 s, and a little for the interruptions")
		require.Empty(r, r.Events(gentask.EventHealed), "a consumer that waits for its rate has not stalled")
	})
}

// TestScenario33_RateChanges: at run time, in both directions, from none and to none.
func TestScenario33_RateChanges(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var s promises.Starts
		r.Publish(3000)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { s.Note(); return rig.Pause(ctx, 10*time.Millisecond) }), gentask.Config{})
		for _, perSecond := range []float64{10, 100, 1} {
			require.NoError(r, c.SetRate(r.Context(), gentask.Rate{PerSecond: perSecond, Burst: 1}))
			r.Rest()
			since := time.Now().Add(1)
			time.Sleep(20 * time.Second)
			at := s.Since(since)
			promises.RequireRate(r, at, perSecond, 1, 0)
			require.GreaterOrEqual(r, float64(len(at)), 20*perSecond-1)
		}
		require.NoError(r, c.SetRate(r.Context(), gentask.Rate{}))
		r.Limit = 10 * time.Minute
		r.Finish()
		require.ErrorIs(r, c.SetRate(r.Context(), gentask.Rate{PerSecond: -1}), gentask.ErrConfig)
	})
}
