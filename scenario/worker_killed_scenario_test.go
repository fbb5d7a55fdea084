package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// ways to end an actor from outside.
var killings = map[string]func(*actor.System, *actor.PID){"Stop": actor.Stop, "Kill": actor.Kill}

// TestScenario10_TheWorkerIsKilled from outside while its job runs.
func TestScenario10_TheWorkerIsKilled(t *testing.T) {
	for name, kill := range killings {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { scenario10(r, kill) })
		})
	}
}

// scenario10 kills the worker of a task that takes its time to stop: the delivery is settled once,
// by the ledger, when the task has returned, and the job never runs twice at the same time (which
// the rig checks).
func scenario10(r *rig.Rig, kill func(*actor.System, *actor.PID)) {
	const toStop = 50 * time.Millisecond
	var mu sync.Mutex
	var causes []error
	var stopped time.Time
	r.Publish(1)
	c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
		if job, _ := gentask.FromContext(ctx); job.Attempt() > 1 {
			return nil
		}
		<-ctx.Done()
		time.Sleep(toStop)
		mu.Lock()
		defer mu.Unlock()
		causes, stopped = append(causes, context.Cause(ctx)), time.Now()
		return ctx.Err()
	}), gentask.Config{Concurrency: 2, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}}})
	r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
	worker := workerOf(r)
	kill(r.System, worker)
	r.Finish()
	mu.Lock()
	defer mu.Unlock()
	require.Len(r, causes, 1, "the context was cancelled")
	require.ErrorIs(r, causes[0], gentask.ErrWorkerLost)
	require.Equal(r, 2, r.Runs.Total())
	ends := endsOfMessage(r, "1", 2)
	first, last := ends[0], ends[1]
	require.Equal(r, queue.Requeue, first.Disposition)
	require.ErrorIs(r, first.Reason, gentask.ErrWorkerLost)
	require.False(r, first.Time.Before(stopped), "settled when the task had returned")
	require.Equal(r, queue.Ack, last.Disposition)
	require.Equal(r, gentask.Consuming, c.Health().State)
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
		actor.Kill(r.System, workerOf(r))
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
			for _, pid := range workers(r) {
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
		actor.Kill(r.System, workerOf(r))
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, queue.Ack, eventOf(r, "1").Disposition)
	})
}
