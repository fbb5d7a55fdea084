package main

import (
	"context"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/task"
)

// storm is a service that is down for every other run: each job panics on its first attempt and is
// requeued at once. The other side is the same worker with as many runs and no panic.
func storm(o options) []comparison {
	return o.each("storm", 200_000, 200, []comparison{{
		name: "half of the runs panic", peer: "the same without panics", ours: stormy, theirs: calm,
		claims: []claim{{unit: result.Rate, target: 0.6}},
	}})
}

// calm is t.jobs runs of t.jobs messages.
func calm(ctx context.Context, t *trial) error {
	return fromMemory(inFlight, small, func(t *trial) gentask.Behavior {
		return gentask.Work(&stormWorker{tally: t.tally})
	})(ctx, t)
}

// stormy is t.jobs runs of half as many messages.
func stormy(ctx context.Context, t *trial) error {
	messages := max(t.jobs/2, 1)
	t.tally = newTally(messages)
	w := &stormWorker{tally: t.tally, panics: newTally(messages)}
	err := fromMemory(inFlight, small, func(*trial) gentask.Behavior { return gentask.Work(w) })(ctx, t)
	if err != nil {
		return err
	}
	t.sample.jobs = 2 * messages
	return w.panics.check() // each job once
}

// stormWorker counts what ends well. With panics, the first run of each job panics.
type stormWorker struct {
	tally  *tally
	panics *tally
}

// Run implements gentask.Worker.
func (w *stormWorker) Run(ctx context.Context, body []byte) (struct{}, error) {
	if job, _ := gentask.FromContext(ctx); w.panics != nil && job.Attempt() == 1 {
		w.panics.ran(body)
		panic("a third-party service is down")
	}
	w.tally.ran(body)
	return struct{}{}, nil
}

// HandleResult implements gentask.Worker.
func (*stormWorker) HandleResult(_ gentask.Job[[]byte], o task.Outcome[struct{}]) gentask.Decision {
	if o.Status == task.OK {
		return gentask.Ack()
	}
	return gentask.Requeue(0)
}
