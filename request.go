package gentask

import (
	"cmp"
	"fmt"
	"slices"
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
	l.pause(r.on, nil)
	r.answer(nil)
}

// pause takes no more work, or takes it again. reason is why a job asked for it.
func (l *ledger) pause(on bool, reason error) {
	if l.paused == on {
		return
	}
	l.paused = on
	l.instance.paused.Store(on)
	kind := EventResumed
	if on {
		kind = EventPaused
	}
	l.emit(Event{Kind: kind, Reason: reason})
	l.reconcileIntake()
}

type cancelRequest struct {
	id     string
	answer func(error)
}

func (r *cancelRequest) serve(_ actor.Context, l *ledger) {
	err := ErrUnknownJob
	for _, e := range l.all() {
		if e.delivery.ID == r.id {
			err = nil
			e.stop(ErrCancelled)
			l.cancelIdle(e)
		}
	}
	r.answer(err)
}

// all returns what is held and what still runs, in the order in which it came: a job that was settled early, or lost, may run on.
func (l *ledger) all() []*entry {
	entries := l.busy.entries()
	for e := range l.held.all() {
		if !l.busy.has(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.serial, b.serial) })
	return entries
}

// JobStatus describes one delivery that a consumer holds.
type JobStatus struct {
	ID      string
	Attempt int
	// Worker is the address of its worker; nil if it has none, or one made by Actor that has not asked for its task yet.
	Worker *actor.PID
	// Running says that it has a worker; the others wait for a slot, or for the broker to take their settlement.
	Running bool
	// Decision is what was decided, or "undecided".
	Decision string
	// Age is since the receipt, Active since it was given to a worker.
	Age, Active time.Duration
}

type statusRequest struct{ answer func([]JobStatus) }

func (r *statusRequest) serve(_ actor.Context, l *ledger) {
	entries := l.all()
	jobs := make([]JobStatus, len(entries))
	for i, e := range entries {
		jobs[i] = statusOf(e)
	}
	r.answer(jobs)
}

func statusOf(e *entry) JobStatus {
	d, _ := e.verdict()
	s := JobStatus{
		ID: e.delivery.ID, Attempt: e.attempt, Worker: e.workerPID(), Running: e.busy,
		Decision: d.String(), Age: time.Since(e.received),
	}
	if s.Running {
		s.Active = time.Since(e.started)
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
