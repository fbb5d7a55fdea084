package task

import (
	"fmt"
	"time"
)

// Status is the state of a task in an [Outcome]. The set is closed.
type Status uint8

// The three values are those of GenTask. Error, panic, Goexit, cancellation and abandonment are
// reasons of Exit: distinguish them with errors.Is and errors.As, or by [Outcome.Ending].
const (
	// OK means that the function returned a value and no error.
	OK Status = iota + 1
	// Exit means that the task ended without a value, or was abandoned.
	Exit
	// Timeout means that the task runs on past its time.
	Timeout
)

// String returns the status's name.
func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Exit:
		return "exit"
	case Timeout:
		return "timeout"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Outcome is how a task ended, or that it did not end in time. It doesn't change: a task that was
// abandoned stays an Exit when it returns.
type Outcome[R any] struct {
	Status Status

	// Value is the value of the function, for OK.
	Value R

	// Reason is why there is no value. It is nil for OK, and [ErrTimeout] for Timeout.
	//
	// For Exit it is, or wraps, the error that the function returned, or an [*actor.PanicError] or
	// [*actor.GoexitError] with its stack. For a task that was stopped, it wraps the cause of the
	// stop, and the error that the function returned then, or [ErrAbandoned]. The cause is
	// [ErrCancelled] unless another was given, [actor.ErrShutdown] when the supervisor was stopped,
	// and [ErrClosed] when it crashed.
	//
	// Its methods call no method of an error that user code has made. Unwrapping it leads to that
	// error, unless one of its methods misbehaved.
	Reason error

	// Ending is the way in which the task ended. It is known from the run, and not from what Reason
	// wraps. Cause is why it was stopped before it ended, and nil if it wasn't.
	Ending Ending
	Cause  error

	// Task is the task. After a Timeout it can be yielded again, shut down, or ignored.
	Task *Task[R]

	// RunTime is the time from the start of the task to its end or its abandonment, or to this
	// outcome.
	RunTime time.Duration
}

// As returns o with its value as an R. A value of another type becomes R's zero value.
func As[R any](o *Outcome[any]) Outcome[R] {
	typed := typedOutcome[R](o)
	if o.Task != nil {
		typed.Task = &Task[R]{run: o.Task.run}
	}
	return typed
}

// typedOutcome is As without the task.
func typedOutcome[R any](o *Outcome[any]) Outcome[R] {
	value, _ := o.Value.(R)
	return Outcome[R]{
		Status: o.Status, Value: value, Reason: o.Reason, Ending: o.Ending, Cause: o.Cause, RunTime: o.RunTime,
	}
}
