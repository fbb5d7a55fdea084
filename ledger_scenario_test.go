package gentask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestScenario13_StallHealed: should the ledger ever forget to give out work, so that the prefetch
// is full and no job runs, the watchdog gives the session up within 1 s, and everything comes back.
func TestScenario13_StallHealed(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		const jobs, prefetch = 20, 5
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Concurrency: prefetch})
		r.Rest()
		gentask.Sabotage(c, func(concurrency *int) { *concurrency = 0 })
		r.Publish(jobs)
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch })
		require.Zero(r, r.Runs.Total())

		full := time.Now()
		r.Eventually("it is healed", func() bool { return len(r.Events(gentask.EventHealed)) > 0 })
		require.LessOrEqual(r, time.Since(full), time.Second)
		require.ErrorIs(r, r.Events(gentask.EventHealed)[0].Reason, gentask.ErrStalled)
		require.Equal(r, prefetch, r.Memory.Stats().Returned, "the slots are free")

		gentask.Sabotage(c, func(concurrency *int) { *concurrency = prefetch })
		r.Finish()
		require.Equal(r, jobs, r.Memory.Stats().Acked)
	})
}

// TestScenario14_LedgerPanics: the ledger is started again, the user is told of it, and nothing is
// lost.
func TestScenario14_LedgerPanics(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(50)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Millisecond) }),
			gentask.Config{Concurrency: 3, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}}})
		for range 3 {
			r.Eventually("some run", func() bool { return r.Runs.Now() > 0 })
			gentask.Sabotage(c, func(*int) { panic("a bug") })
			r.Rest()
		}
		r.Finish()
		require.Equal(r, 4, r.Memory.Stats().Opened)
	})
}

// TestScenario47_ALedgerThatStands is unhealthy after 2 s, even if the rest of Health is fine, and
// healthy again when it turns.
func TestScenario47_ALedgerThatStands(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		for range 100 {
			time.Sleep(700 * time.Millisecond)
			require.True(r, c.Health().Healthy())
			require.LessOrEqual(r, time.Since(c.Health().Turn), time.Second)
		}
		release := make(chan struct{})
		gentask.Sabotage(c, func(*int) { <-release })
		turn := c.Health().Turn
		time.Sleep(3 * time.Second)
		for range 3 {
			h := c.Health()
			require.False(r, h.Healthy())
			require.ErrorIs(r, h.Error, gentask.ErrStanding)
			require.Equal(r, turn.Round(time.Second), h.Turn.Round(time.Second))
			time.Sleep(time.Hour)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(r, c.Pause(ctx), context.DeadlineExceeded)
		close(release)
		time.Sleep(2 * time.Second)
		require.NoError(r, c.Resume(r.Context())) // after the Pause that was not waited for
		require.True(r, c.Health().Healthy())
		require.NoError(r, c.Health().Error)
		r.Stop(c)
		require.Zero(r, c.Health().Turn)
	})
}
