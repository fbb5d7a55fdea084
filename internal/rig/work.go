package rig

import (
	"context"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/task"
)

// Work makes a behaviour of a Worker's two functions; run is tracked in the rig's Runs.
func Work[J, R any](
	r *Rig, run func(context.Context, J) (R, error), handle func(gentask.Job[J], task.Outcome[R]) gentask.Decision,
) gentask.Behavior {
	return gentask.Work(&worker[J, R]{run: Track(r.Runs, run), handle: handle})
}

type worker[J, R any] struct {
	run    func(context.Context, J) (R, error)
	handle func(gentask.Job[J], task.Outcome[R]) gentask.Decision
}

// Run implements gentask.Worker.
func (w *worker[J, R]) Run(ctx context.Context, payload J) (R, error) { return w.run(ctx, payload) }

// HandleResult implements gentask.Worker.
func (w *worker[J, R]) HandleResult(job gentask.Job[J], o task.Outcome[R]) gentask.Decision {
	return w.handle(job, o)
}
