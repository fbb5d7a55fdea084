package gentask

import (
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// facts describe how the last run of a job ended. They do not depend on the error that the job
// returned, which may be that of another task, consumer or message. The set of bits is closed.
type facts uint8

const (
	factUndecodable facts = 1 << iota // the job's own payload could not be decoded
	factPanicked                      // the task, or the function of its batch, panicked
	factExited                        // the same, by runtime.Goexit
	factTimedOut                      // it was stopped because its time was over
	factAbandoned                     // it did not return within its grace
	factCancelled                     // it was stopped by Cancel
	// It was stopped by a drain, or with its session or unit, or another job of its batch was.
	factInterrupted
)

func (f facts) has(some facts) bool { return f&some != 0 }

// factsOfCause returns the facts of a job that was stopped with a cause; none for nil.
func factsOfCause(cause error) facts {
	switch cause { // entry.stop gets no others
	case ErrDrained, ErrSessionLost, ErrQuotaLost: //nolint:errorlint // the cause itself
		return factInterrupted
	case ErrCancelled:
		return factCancelled
	case task.ErrTimeout:
		return factTimedOut
	}
	return 0
}

func factsOfEnding(e task.Ending) facts {
	switch e {
	case task.Panicked:
		return factPanicked
	case task.Exited:
		return factExited
	case task.Abandoned:
		return factAbandoned
	case task.NotEnded, task.Returned:
	}
	return 0
}

// endedError wraps the reason of a run that could be mistaken for the way in which the run ended.
// The matchers of [Rule] go by its facts. errors.Is and errors.As see through it.
type endedError struct {
	error
	facts facts
}

// Unwrap returns the reason.
func (e *endedError) Unwrap() error { return e.error }

// explain returns reason, wrapped if the matchers would misread it.
func (f facts) explain(reason error) error {
	if reason == nil || claimsOf(reason)&^f == 0 {
		return reason
	}
	return &endedError{error: reason, facts: f}
}

// claimsOf returns the facts that the matchers would read from a reason.
func claimsOf(reason error) (claims facts) {
	for _, sign := range []struct {
		of   facts
		seen bool
	}{
		{factPanicked, has[*actor.PanicError](reason)},
		{factExited, guard.Is(reason, actor.ErrGoexit)},
		{factTimedOut, guard.Is(reason, task.ErrTimeout)},
		{factAbandoned, guard.Is(reason, task.ErrAbandoned)},
		{factUndecodable, undecodable(reason)},
		{factCancelled, guard.Is(reason, ErrCancelled)},
		{factInterrupted, interrupted(reason)},
		{^facts(0), has[*endedError](reason)}, // of another job
	} {
		if sign.seen {
			claims |= sign.of
		}
	}
	return claims
}

func interrupted(reason error) bool {
	return guard.Is(reason, ErrDrained) || guard.Is(reason, ErrSessionLost) || guard.Is(reason, ErrQuotaLost)
}

func has[E error](reason error) bool {
	_, found := guard.As[E](reason)
	return found
}

// factsIn returns the facts that a reason carries. known is false if it carries none, and needs
// none.
func factsIn(reason error) (f facts, known bool) {
	e, known := guard.As[*endedError](reason)
	if !known {
		return 0, false
	}
	return e.facts, true
}

// factOf returns the fact that an error of the library stands for; zero for any other error.
func factOf(target error) facts {
	switch target {
	case actor.ErrGoexit: //nolint:errorlint // the value itself
		return factExited
	case task.ErrAbandoned:
		return factAbandoned
	}
	return factsOfCause(target)
}

func undecodable(reason error) bool { return has[*DecodeError](reason) }
