package scenario_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
)

// TestScenario13_WorkerSupervisorKilled: with the prefetch full, within 1 s the slots are free at
// the broker and the next deliveries arrive.
func TestScenario13_WorkerSupervisorKilled(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		const concurrency, prefetch, jobs = 10, 20, 60
		var hang sync.Map // the first ten, on their first run
		r.Publish(jobs)
		r.Start(r.Actors(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			if job.Attempt() > 1 || r.Runs.Total() > concurrency {
				return nil
			}
			<-ctx.Done()
			hang.Store(id, context.Cause(ctx))
			return ctx.Err()
		}), gentask.Config{Concurrency: concurrency, Prefetch: prefetch, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch && r.Runs.Now() == concurrency })

		killed := time.Now()
		r.Kill("workers")
		r.Eventually("ten others have run", func() bool { return r.Runs.Total() >= 2*concurrency })
		require.Less(r, time.Since(killed), time.Second)
		r.Finish()
		hang.Range(func(_, cause any) bool {
			require.ErrorIs(r, cause.(error), gentask.ErrWorkerLost)
			return true
		})
		require.Equal(r, jobs+concurrency, r.Runs.Total(), "each of the ten ran again, the others once")
		require.Len(r, r.Events(gentask.EventWorkersLost), 1)
		require.Empty(r, r.Events(gentask.EventSessionLost), "the session is none of the workers' business")
	})
}

// TestScenario13_KilledAgainAndAgain: whenever the worker supervisor dies, nothing is lost.
func TestScenario13_KilledAgainAndAgain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		const kills = 20
		r.Publish(2000)
		r.Start(r.Actors(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Millisecond) }),
			gentask.Config{Concurrency: 10, Prefetch: 30, Retry: gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Millisecond}}})
		for range kills {
			time.Sleep(7 * time.Millisecond)
			r.Kill("workers")
		}
		r.Finish()
		require.Len(r, r.Events(gentask.EventWorkersLost), kills)
	})
}

// TestScenario13_NoIntensityToExceed: 1,000 crashes of workers, each of which gives up, don't touch
// their supervisor. Its intensity is counted for each worker on its own, so there is none that it
// could exceed.
func TestScenario13_NoIntensityToExceed(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, restarts = 250, 3
		r.Publish(jobs)
		var mu sync.Mutex
		crashes := 0
		c := r.New(gentask.Actor(func(job gentask.ActorJob[string]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); !ok {
					return
				}
				if job.Attempt() == 1 {
					mu.Lock()
					crashes++
					mu.Unlock()
					panic("broken worker")
				}
				_ = job.Settle(gentask.Ack())
				ctx.Stop(ctx.Self())
			})
		}), gentask.Config{Concurrency: 50, Restarts: restarts})
		require.NoError(r, c.Start())
		supervisor := r.Find("workers")
		r.Finish()
		require.Equal(r, jobs*(1+restarts), crashes)
		require.True(r, actor.Alive(r.System, supervisor))
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.Attempt == 1 {
				require.Equal(r, queue.Requeue, ev.Disposition)
			}
		}
	})
}

// TestScenario13_NoFalseAlarm: an idle consumer, a busy one, and a paused one are left alone,
// however long it takes.
func TestScenario13_NoFalseAlarm(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		c := r.Start(r.Handle(func(context.Context, string) error {
			<-release
			return nil
		}), gentask.Config{Concurrency: 2, Timeout: -1})
		time.Sleep(time.Hour)
		r.Publish(4)
		time.Sleep(time.Hour)
		require.Equal(r, 2, r.Memory.Stats().Held)
		require.NoError(r, c.Pause(r.Context()))
		time.Sleep(time.Hour)
		require.Equal(r, gentask.Paused, c.Health().State)
		require.NoError(r, c.Resume(r.Context()))
		close(release)
		r.Finish()
		require.Equal(r, 1, r.Memory.Stats().Opened)
	})
}

// TestScenario13_WorkerSupervisorThatCanNotEnd: killed while the Receive of a worker hangs, it
// neither ends nor starts workers; the watchdog replaces it.
func TestScenario13_WorkerSupervisorThatCanNotEnd(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes, r.Allow.Healed = true, true
		release := make(chan struct{})
		var hung atomic.Bool
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[string]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); !ok {
					return
				}
				if hung.CompareAndSwap(false, true) {
					<-release
				}
				_ = job.Settle(gentask.Ack())
				ctx.Stop(ctx.Self())
			})
		}), gentask.Config{Concurrency: 2})
		r.Eventually("it hangs", hung.Load)
		actor.Kill(r.System, r.Find("workers"))
		r.Publish(3)
		r.Finish()
		require.Len(r, r.Events(gentask.EventWorkersLost), 1)
		healed := r.Events(gentask.EventHealed)
		require.Len(r, healed, 1)
		require.ErrorIs(r, healed[0].Reason, gentask.ErrWorkersStuck)
		close(release)
	})
}

// TestScenario13_AllWorkersKilled: with the prefetch full, all workers of the library's own are
// killed, whose supervisor is the ledger: within 1 s the slots are free at the broker and the next
// deliveries arrive.
func TestScenario13_AllWorkersKilled(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const concurrency, prefetch, jobs = 10, 20, 60
		r.Publish(jobs)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if job, _ := gentask.FromContext(ctx); job.Attempt() > 1 || r.Runs.Total() > concurrency {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}), gentask.Config{Concurrency: concurrency, Prefetch: prefetch, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch && r.Runs.Now() == concurrency })

		killed := time.Now()
		for _, pid := range promises.Workers(r) {
			actor.Kill(r.System, pid)
		}
		r.Eventually("ten others have run", func() bool { return r.Runs.Total() >= 2*concurrency })
		require.Less(r, time.Since(killed), time.Second)
		r.Finish()
		require.Equal(r, jobs+concurrency, r.Runs.Total(), "each of the ten ran again, the others once")
		require.Empty(r, r.Events(gentask.EventSessionLost), "the session is none of the workers' business")
	})
}
