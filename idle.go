package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/task"
)

// ErrWorkerIdle is the reason of an EventHealed, and wrapped by that of the job: its worker, made by Actor, held
// a slot for Config.Timeout without running a task, or settled and did not end, or left the timeout of its task
// unanswered for as long.
var ErrWorkerIdle = errors.New("gentask: worker neither runs a task, nor settles, nor ends")

// receiver is what is known of a worker of the user's.
type receiver struct {
	// The ledger's.
	id       string // in its supervisor
	restarts uint16 // how often it was started again

	// Guarded by the entry's mu: when something happened to the job, since its receipt, as far as the limit of
	// the worker depends on it.
	ran, decided, stopped time.Duration
}

// setReceiver notes that the job gets a worker of the user's.
func (e *entry) setReceiver(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receiver = &receiver{id: id}
}

// idleSince returns since when a worker of the user's has had nothing that limits its time. ok is false for one that
// runs a task, and for those of the library's own.
func (e *entry) idleSince(now time.Time) (since time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.receiver == nil || !e.alive:
		return time.Time{}, false
	case e.task == nil:
		since = e.startedAt()
	case e.task.Over():
		since = e.received.Add(e.receiver.ran + e.task.Yield(0).RunTime)
	default:
		unanswered := e.task.Unanswered()
		if unanswered == 0 || e.cause != nil {
			return time.Time{}, false
		}
		since = now.Add(-unanswered)
	}
	if last := e.received.Add(max(e.receiver.decided, e.receiver.stopped)); last.After(since) {
		since = last
	}
	return since, true
}

// idleTooLong reports whether the worker of e must be ended, because it has been idle for too long: for
// the time of a run, or, when it was told to stop, for the grace.
func (e *entry) idleTooLong(now time.Time) bool {
	since, idle := e.idleSince(now)
	switch {
	case !idle:
		return false
	case e.stopped():
		return now.Sub(since) >= e.cfg.graceTime()
	}
	return e.cfg.taskTimeout() > 0 && now.Sub(since) >= e.cfg.taskTimeout()
}

// timeOut makes a Timeout of a job whose worker decides nothing.
func (e *entry) timeOut() {
	e.stop(task.ErrTimeout)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decision.kind == undecided && (e.task == nil || e.task.Over()) {
		e.status, e.told = task.Timeout, task.ErrTimeout
	}
}
