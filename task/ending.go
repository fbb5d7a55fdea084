package task

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// Ending is the way in which a task came to its outcome. It is known from the run. The reason may
// be the error of another task that has panicked or timed out. The set is closed.
type Ending uint8

const (
	// NotEnded is the ending of a task that still runs, or that never began.
	NotEnded Ending = iota
	// Returned means that the function returned, with or without an error.
	Returned
	// Panicked means that the function, or a goroutine of [Go] that failed first, panicked.
	Panicked
	// Exited means that the function, or a goroutine of [Go] that failed first, called
	// runtime.Goexit.
	Exited
	// Abandoned means that the task did not return within its grace.
	Abandoned
)

// String returns the ending's name.
func (e Ending) String() string {
	switch e {
	case NotEnded:
		return "not ended"
	case Returned:
		return "returned"
	case Panicked:
		return "panicked"
	case Exited:
		return "exited"
	case Abandoned:
		return "abandoned"
	}
	return fmt.Sprintf("ending(%d)", uint8(e))
}

// Unanswered returns how long the task has been running since its last Timeout outcome. It returns
// zero if [Task.Extend], [Task.Stop] or [Task.Shutdown] has answered that, or if there was none.
func (t *Task[R]) Unanswered() time.Duration {
	r := t.run
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unanswered == 0 || r.state != running {
		return 0
	}
	return max(r.share.now()-r.unanswered, 0) + 1
}

// answered notes that the owner has reacted to the last timeout.
func (r *run) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unanswered = 0
}

// endingOf returns the ending of a run that failed for reason. crashed means that the function did
// not return.
func endingOf(reason error, crashed bool) Ending {
	if !crashed {
		return Returned
	}
	if _, exited := reason.(*actor.GoexitError); exited { //nolint:errorlint // what it is, not what it wraps
		return Exited
	}
	return Panicked
}
