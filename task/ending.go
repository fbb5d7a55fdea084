package task

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// Ending is the way in which a task came to its outcome. It is known from the run, and not read from the
// reason: a function may return the error of another task that has panicked or timed out. The set is
// closed.
type Ending uint8

const (
	// NotEnded is that of a task that still runs, or never began.
	NotEnded Ending = iota
	// Returned is that of a function that returned, with or without an error.
	Returned
	// Panicked is that of a task whose function, or a goroutine of [Go] that failed first, panicked.
	Panicked
	// Exited is the same for runtime.Goexit.
	Exited
	// Abandoned is that of a task that did not return within its grace.
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

// Unanswered returns for how long the task has been running since its owner was told of a Timeout, if that has been
// answered neither by Extend nor by Stop or Shutdown; otherwise zero.
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

// endingOf is that of a run which has failed for reason. crashed reports that it did not return an error.
func endingOf(reason error, crashed bool) Ending {
	if !crashed {
		return Returned
	}
	if _, exited := reason.(*actor.GoexitError); exited { //nolint:errorlint // what it is, not what it wraps
		return Exited
	}
	return Panicked
}
