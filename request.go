package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// request is what the outside asks of the ledger.
type request interface {
	serve(ctx actor.Context, l *ledger)
}

type pauseRequest struct {
	on     bool
	answer func(error)
}

func (r *pauseRequest) serve(_ actor.Context, l *ledger) {
	if l.paused != r.on {
		l.paused = r.on
		l.life.paused.Store(r.on)
		kind := EventResumed
		if r.on {
			kind = EventPaused
		}
		l.emit(Event{Kind: kind})
		l.steer()
	}
	r.answer(nil)
}

type cancelRequest struct {
	id     string
	answer func(error)
}

func (r *cancelRequest) serve(_ actor.Context, l *ledger) {
	found := false
	for _, e := range inOrder(l.held) {
		if e.delivery.ID == r.id {
			found = true
			e.stop(ErrCancelled)
		}
	}
	if !found {
		r.answer(ErrUnknownJob)
		return
	}
	r.answer(nil)
}

// JobStatus describes one delivery that a consumer holds.
type JobStatus struct {
	ID      string
	Attempt int
	// Running says that it has a worker; the others wait for a slot, or for the broker to take their settlement.
	Running bool
	// Decision is what was decided, or "undecided".
	Decision string
	// Age is since the receipt, RunTime since it was given to a worker.
	Age, RunTime time.Duration
}

type statusRequest struct{ answer func([]JobStatus) }

func (r *statusRequest) serve(_ actor.Context, l *ledger) {
	jobs := make([]JobStatus, 0, len(l.held))
	for _, e := range l.held {
		jobs = append(jobs, l.statusOf(e))
	}
	for _, e := range l.busy {
		if l.held[e.delivery] != e {
			jobs = append(jobs, l.statusOf(e)) // settled early, or lost, and still running
		}
	}
	r.answer(jobs)
}

func (l *ledger) statusOf(e *entry) JobStatus {
	d, _ := e.verdict()
	s := JobStatus{
		ID: e.delivery.ID, Attempt: e.delivery.Attempt, Running: e.busy,
		Decision: d.String(), Age: time.Since(e.received),
	}
	if s.Running {
		s.RunTime = time.Since(e.started)
	}
	return s
}

// tasksEnding says that the task supervisor takes no more tasks, though nobody told it to stop: it has crashed, and waits for the tasks that it
// still has. Until it is gone every job would be given back, and come again at once.
type tasksEnding struct{}

func (*tasksEnding) serve(ctx actor.Context, _ *ledger) {
	actor.Exit(ctx, fmt.Errorf("gentask: task supervisor lost: %w", task.ErrClosed))
}

type drainRequest struct{ within time.Duration }

func (r *drainRequest) serve(ctx actor.Context, l *ledger) { l.startDrain(ctx, r.within) }
