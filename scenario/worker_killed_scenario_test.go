package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
)

// TestScenario10_TheWorkerIsKilled from outside while its job runs.
func TestScenario10_TheWorkerIsKilled(t *testing.T) {
	for name, kill := range promises.Killings {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { promises.WorkerKilled(r, kill) })
		})
	}
}

// TestScenario10_TheTaskThatWillNotStopIsAbandoned, when its worker is killed, before its delivery
// is settled.
func TestScenario10_TheTaskThatWillNotStopIsAbandoned(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		d := newDeaf()
		l := &listen{deafs: map[string]*deaf{"1": d}}
		r.Publish(1)
		c := r.Start(gentask.Work(l), gentask.Config{Grace: time.Second, Retry: gentask.Retry{MaxAttempts: 1}})
		begin := time.Now()
		actor.Kill(r.System, promises.WorkerOf(r))
		r.Finish()
		require.Equal(r, time.Second, time.Since(begin))
		require.Empty(r, l.of("1"), "nobody is there to be asked")
		require.Equal(r, 1, c.Health().Abandoned)
		require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
		close(d.release)
	})
}

// TestScenario10_AllWorkersAreKilledAllTheTime, and every job is acknowledged in the end.
func TestScenario10_AllWorkersAreKilledAllTheTime(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs = 200
		r.Publish(jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		}), gentask.Config{Concurrency: 20, Retry: gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Millisecond}}})
		for i := range 50 {
			time.Sleep(time.Duration(i) * 3 * time.Millisecond)
			for _, pid := range promises.Workers(r) {
				if pid.Id[len(pid.Id)-1]%2 == 0 {
					actor.Kill(r.System, pid)
				} else {
					actor.Stop(r.System, pid)
				}
			}
		}
		r.Finish()
		require.Equal(r, jobs, r.Memory.Stats().Acked)
		require.Positive(r, r.Memory.Stats().Requeued)
		require.True(r, c.Health().Healthy())
	})
}

// TestScenario10_AValueOutlivesTheWorker: a job whose worker is killed, and whose task returns a
// value all the same, is done. Handle would not have decided otherwise.
func TestScenario10_AValueOutlivesTheWorker(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			time.Sleep(time.Second) // it finishes what it is about, within the grace
			return nil
		}), gentask.Config{})
		r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
		actor.Kill(r.System, promises.WorkerOf(r))
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, queue.Ack, eventOf(r, "1").Disposition)
	})
}
