package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// TestPause_TakesEffectAtOnce: nothing new is started, what has not been started goes back without
// costing an attempt, what runs goes on, and Resume undoes it. Late deliveries of the broker change
// nothing.
func TestPause_TakesEffectAtOnce(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 2, SlowSettle: time.Millisecond}}).Run(t, func(r *rig.Rig) {
		const jobs, running, prefetch = 20, 2, 5
		r.Publish(jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) }),
			gentask.Config{Concurrency: running, Prefetch: prefetch, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch })
		require.NoError(r, c.Pause(r.Context()))
		time.Sleep(100 * time.Millisecond)
		require.Equal(r, running, r.Memory.Stats().Held)
		require.Equal(r, gentask.Paused, c.Health().State)
		time.Sleep(time.Hour)
		require.Equal(r, running, r.Runs.Total())
		require.Equal(r, running, r.Memory.Stats().Acked)
		require.Zero(r, r.Memory.Stats().Held)

		require.NoError(r, c.Resume(r.Context()))
		r.Limit = time.Hour
		r.Finish()
		require.Equal(r, jobs, r.Runs.Total())
		for _, ev := range r.Events(gentask.EventDone) {
			require.Equal(r, 1, ev.Attempt)
		}
		require.Equal(r, 1, r.Memory.Stats().Opened)
	})
}

// TestPause_BackAndForth: for calls in any order and at any speed, the last one counts and nothing
// is lost.
func TestPause_BackAndForth(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 1}}).Run(t, func(r *rig.Rig) {
		r.Publish(1000)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Millisecond) }),
			gentask.Config{Concurrency: 3, Prefetch: 6})
		for i := range 200 {
			require.NoError(r, c.Pause(r.Context()))
			if i%3 == 0 {
				time.Sleep(time.Millisecond)
			}
			require.NoError(r, c.Resume(r.Context()))
			if i%5 == 0 {
				r.Break()
			}
		}
		r.Finish()
	})
}

// TestPause_OutlivesTheSession: a paused consumer that loses its session opens the next, and takes
// nothing there.
func TestPause_OutlivesTheSession(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Rest()
		require.NoError(r, c.Pause(r.Context()))
		r.Break()
		r.Publish(10)
		time.Sleep(time.Minute)
		require.Equal(r, gentask.Paused, c.Health().State)
		require.Zero(r, r.Runs.Total())
		require.Zero(r, r.Memory.Stats().Held)
		require.NoError(r, c.Resume(r.Context()))
		r.Finish()
	})
}

// TestPause_OutlivesTheLedger: one that crashes comes back paused.
func TestPause_OutlivesTheLedger(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		require.NoError(r, c.Pause(r.Context()))
		r.Kill("ledger")
		r.Publish(10)
		time.Sleep(time.Minute)
		require.Equal(r, gentask.Paused, c.Health().State)
		require.Zero(r, r.Runs.Total())
		require.NoError(r, c.Resume(r.Context()))
		r.Finish()
	})
}

// TestPause_NotRunning: is an error before the start and after the end.
func TestPause_NotRunning(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		for range 2 {
			require.ErrorIs(r, c.Pause(r.Context()), gentask.ErrNotRunning)
			require.ErrorIs(r, c.Resume(r.Context()), gentask.ErrNotRunning)
			require.ErrorIs(r, c.Cancel(r.Context(), "1"), gentask.ErrNotRunning)
			_, err := c.Jobs(r.Context())
			require.ErrorIs(r, err, gentask.ErrNotRunning)
			_, err = c.Tasks(r.Context())
			require.ErrorIs(r, err, gentask.ErrNotRunning)
			require.NoError(r, c.Start())
			r.Rest()
			r.Stop(c)
		}
	})
}

// TestCancel_ByID: a running job is stopped and dead-lettered, one that waits is never run, and an
// unknown one is an error. The others go on.
func TestCancel_ByID(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(3)
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			err := rig.Pause(ctx, time.Minute)
			if id == "1" {
				require.ErrorIs(r, context.Cause(ctx), gentask.ErrCancelled)
			}
			return err
		}), gentask.Config{Concurrency: 1, Prefetch: 3, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == 3 })
		require.ErrorIs(r, c.Cancel(r.Context(), "nobody"), gentask.ErrUnknownJob)
		require.NoError(r, c.Cancel(r.Context(), "2"))
		require.NoError(r, c.Cancel(r.Context(), "1"))
		r.Limit = time.Hour
		r.Finish()
		require.Equal(r, 1, r.Runs.Of("1"))
		require.Zero(r, r.Runs.Of("2"))
		require.Equal(r, 1, r.Runs.Of("3"))
		require.Equal(r, 2, r.Memory.Stats().DeadLettered)
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.ID != "3" {
				require.ErrorIs(r, ev.Reason, gentask.ErrCancelled)
			}
		}
		require.ErrorIs(r, c.Cancel(r.Context(), "1"), gentask.ErrUnknownJob)
	})
}

// TestJobs_Lists: what is held and what runs, the settled that still run included.
func TestJobs_Lists(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(3)
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			if job, _ := gentask.FromContext(ctx); id == "2" && job.Attempt() == 1 {
				require.NoError(r, job.Settle(gentask.Requeue(time.Hour)))
			}
			return rig.Pause(ctx, time.Minute)
		}), gentask.Config{Concurrency: 2, Prefetch: 3, Timeout: -1})
		time.Sleep(time.Second)
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		for i := range jobs {
			require.Equal(r, jobs[i].Running, actor.Alive(r.System, jobs[i].Worker), "whoever runs has a worker")
			jobs[i].Worker = nil
		}
		require.ElementsMatch(r, []gentask.JobStatus{
			{ID: "1", Attempt: 1, Running: true, Age: time.Second, Active: time.Second},
			{ID: "2", Attempt: 1, Running: true, Decision: gentask.Requeue(time.Hour), Age: time.Second, Active: time.Second},
			{ID: "3", Attempt: 1, Age: time.Second},
		}, jobs)
		r.Limit = 3 * time.Hour
		r.Finish()
	})
}

// TestScenario33_Pause is TestScenario33_PauseOnServers on the memory queue, to the millisecond.
func TestScenario33_Pause(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, running = 60, 3
		r.Publish(jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }),
			gentask.Config{Concurrency: running, Prefetch: 20})
		time.Sleep(500 * time.Millisecond)
		require.NoError(r, c.Pause(r.Context()))
		r.Rest()
		require.Equal(r, gentask.Paused, c.Health().State)
		require.Equal(r, running, r.Memory.Stats().Held)
		time.Sleep(time.Hour)
		require.Equal(r, running, r.Runs.Total())
		require.NoError(r, c.Resume(r.Context()))
		r.Rest()
		require.Equal(r, running, r.Runs.Now())
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Finish()
	})
}

// TestPause_IsSeenAtOnce: when Pause or Resume has returned, Health shows it.
func TestPause_IsSeenAtOnce(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := idle(r)
		require.NoError(r, c.Start())
		r.Rest()
		for range 500 {
			require.NoError(r, c.Pause(r.Context()))
			require.Equal(r, gentask.Paused, c.Health().State)
			require.NoError(r, c.Resume(r.Context()))
			require.Equal(r, gentask.Consuming, c.Health().State)
			require.NoError(r, c.SetConcurrency(r.Context(), 1))
			require.Equal(r, 1, c.Health().Concurrency)
			require.NoError(r, c.SetConcurrency(r.Context(), 2))
			require.Equal(r, 2, c.Health().Concurrency)
		}
		r.Stop(c)
	})
}
