package rig

import (
	"context"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/task"
)

// Work makes a behaviour of a Worker's two functions; run is tracked in the rig's Runs.
func Work[J, R any](
	r *Rig, run func(context.Context, J) (R, error), handle func(gentask.Job[J], task.Outcome[R]) gentask.Decision,
) gentask.Behavior {
	return gentask.Work(&Worker[J, R]{OnRun: Track(r.Runs, run), OnResult: handle})
}

// Worker is a [gentask.Worker] of two functions. Both are required.
type Worker[J, R any] struct {
	OnRun    func(context.Context, J) (R, error)
	OnResult func(gentask.Job[J], task.Outcome[R]) gentask.Decision
}

// Run calls OnRun.
func (w *Worker[J, R]) Run(ctx context.Context, payload J) (R, error) { return w.OnRun(ctx, payload) }

// HandleResult calls OnResult.
func (w *Worker[J, R]) HandleResult(job gentask.Job[J], o task.Outcome[R]) gentask.Decision {
	return w.OnResult(job, o)
}

// Pause waits for d, or until ctx ends, whose error it returns then.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
