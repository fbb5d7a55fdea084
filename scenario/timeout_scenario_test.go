package scenario_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

const (
	raceJobs    = 10_000
	raceTimeout = time.Second
)

// offset spreads the ends of jobs over the timeout +- 1 ms; one in three hits it exactly.
func offset(id string) time.Duration {
	n, err := strconv.Atoi(id)
	if err != nil {
		panic(err)
	}
	if n%3 == 0 {
		return 0
	}
	return time.Duration(n%21-10) * 100 * time.Microsecond
}

// TestScenario04_FinishAgainstTimeout: a value that was produced before the stop took effect is an
// ack, with any decision of HandleResult after the timeout. No job that succeeded is delivered
// again.
func TestScenario04_FinishAgainstTimeout(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		f := newFinishers(r)
		f.start(func(_ context.Context, d time.Duration) (bool, error) {
			time.Sleep(d)
			return true, nil
		})
		require.Equal(r, raceJobs, r.Runs.Total(), "every job succeeds on its first run")
		for id, seen := range f.seen {
			require.Equal(r, task.OK, seen[len(seen)-1], id)
			if offset(id) < 0 {
				require.Len(r, seen, 1, "%s ended before its timeout", id)
			}
		}
	})
}

// TestScenario04_StopAgainstTimeout: a task that obeys its context ends with a value or without
// one, and the settlement agrees with it.
func TestScenario04_StopAgainstTimeout(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		f := newFinishers(r)
		f.start(func(ctx context.Context, d time.Duration) (bool, error) {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return true, nil
			case <-ctx.Done():
				return false, ctx.Err()
			}
		})
	})
}

// finishers are jobs that race against their timeout on their first attempt, and succeed at once on
// the second.
type finishers struct {
	*rig.Rig

	mu    sync.Mutex
	seen  map[string][]task.Status // what HandleResult heard of the first attempt
	value map[string]bool          // whether that produced a value
}

func newFinishers(r *rig.Rig) *finishers {
	return &finishers{Rig: r, seen: map[string][]task.Status{}, value: map[string]bool{}}
}

func (f *finishers) start(race func(context.Context, time.Duration) (bool, error)) {
	f.Publish(raceJobs)
	f.Start(gentask.Work(&rig.Worker[string, bool]{
		OnRun: rig.Track(f.Runs, func(ctx context.Context, _ string) (bool, error) {
			job, _ := gentask.FromContext(ctx)
			if job.Attempt() > 1 {
				return true, nil
			}
			id := job.ID()
			value, err := race(ctx, raceTimeout+offset(id))
			f.mu.Lock()
			defer f.mu.Unlock()
			f.value[id] = value
			return value, err
		}),
		OnResult: f.handle,
	}), gentask.Config{Concurrency: 500, Timeout: raceTimeout})
	f.Finish()
	f.check()
}

func (f *finishers) handle(job gentask.Job[string], o task.Outcome[bool]) gentask.Decision {
	if job.Attempt() == 1 {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen[job.ID()] = append(f.seen[job.ID()], o.Status)
	}
	if o.Status == task.OK {
		return gentask.Ack()
	}
	return gentask.Requeue(0)
}

// check compares the one settlement of each first attempt with what its task did.
func (f *finishers) check() {
	f.Helper()
	ends := 0
	for _, ev := range f.Events(gentask.EventDone) {
		if ev.Attempt > 1 {
			require.Equal(f, queue.Ack, ev.Disposition)
			continue
		}
		ends++
		if f.value[ev.ID] {
			require.Equal(f, queue.Ack, ev.Disposition, "%s produced a value", ev.ID)
			require.Equal(f, task.OK, ev.Outcome)
		} else {
			require.Equal(f, queue.Requeue, ev.Disposition, "%s produced none", ev.ID)
			require.Equal(f, task.Timeout, ev.Outcome)
		}
	}
	require.Equal(f, raceJobs, ends)
	require.Len(f, f.seen, raceJobs)
}
