package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestScenario33_RateOnServers: the rate holds over every window, and is changed at run time.
func TestScenario33_RateOnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		const jobs, perSecond, burst = 100, 50, 5
		var s starts
		began := time.Now()
		r.Publish(jobs)
		c := r.Start(r.Handle(func(context.Context, string) error { s.note(); return nil }),
			gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}}})
		r.Eventually("half of them are done", func() bool { return r.Runs.Total() >= jobs/2 })
		require.GreaterOrEqual(r, time.Since(began), 800*time.Millisecond)
		r.Finish()
		requireRate(r, s.sorted(began), perSecond, burst, 100*time.Millisecond)

		require.NoError(r, c.SetRate(r.Context(), gentask.Rate{}))
		r.Publish(jobs)
		r.Finish()
		require.Empty(r, r.Events(gentask.EventHealed))
	})
}
