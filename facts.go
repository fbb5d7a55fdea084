package gentask

import (
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// facts are how the last run of a job ended, as the library knows it. The error that a job returned tells
// none of them: it may be that of another task, consumer or message. The set of bits is closed.
type facts uint8

const (
	factUndecodable facts = 1 << iota // the job's own payload could not be decoded
	factPanicked                      // the task, or the function of its batch, panicked
	factExited                        // the same, by runtime.Goexit
	factTimedOut                      // it was stopped because its time was over
	factAbandoned                     // it did not return within its grace
	factCancelled                     // it was stopped by Cancel
	factInterrupted                   // it was stopped by a drain or with its session, or another job of its batch was
)

func (f facts) has(some facts) bool { return f&some != 0 }

// factsOfCause are those of a job that was told to stop, if it was.
func factsOfCause(cause error) facts {
	switch cause { // entry.stop gets no other
	case ErrDrained, ErrSessionLost: //nolint:errorlint // the cause itself
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

// endedError is the reason of a run that wraps what could be taken for the way in which this run ended.
// The matchers of [Rule] go by its facts; errors.Is and errors.As see through it.
type endedError struct {
	error
	facts facts
}

// Unwrap returns the reason.
func (e *endedError) Unwrap() error { return e.error }

// explain returns reason so that the matchers read it rightly.
func (f facts) explain(reason error) error {
	if reason == nil || claimsOf(reason)&^f == 0 {
		return reason
	}
	return &endedError{error: reason, facts: f}
}

// claimsOf are the facts that the matchers would read from a reason.
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
		{factInterrupted, guard.Is(reason, ErrDrained) || guard.Is(reason, ErrSessionLost)},
		{^facts(0), has[*endedError](reason)}, // of another job
	} {
		if sign.seen {
			claims |= sign.of
		}
	}
	return claims
}

func has[E error](reason error) bool {
	_, found := guard.As[E](reason)
	return found
}

// factsIn returns the facts that go with a reason; none are known if that says nothing wrong.
func factsIn(reason error) (f facts, known bool) {
	e, known := guard.As[*endedError](reason)
	if !known {
		return 0, false
	}
	return e.facts, true
}

// factOf returns what an error of the library says about the end of a job; zero for any other error.
func factOf(target error) facts {
	switch target {
	case actor.ErrGoexit: //nolint:errorlint // the value itself
		return factExited
	case task.ErrAbandoned:
		return factAbandoned
	}
	return factsOfCause(target)
}
