package task

import (
	"fmt"
	"time"
)

// Status is how a task stands when an Outcome is made of it. The set is closed.
type Status uint8

// The three values, as in GenTask. Error, panic, Goexit, cancellation and abandonment are reasons of Exit: tell them apart with errors.Is and
// errors.As.
const (
	// OK says that the function returned a value and no error.
	OK Status = iota + 1
	// Exit says that the task ended without a value, or was abandoned.
	Exit
	// Timeout says that the task runs on past its time.
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

// Outcome is how a task ended, or that it did not in time. It doesn't change: a task that was abandoned stays an Exit when it returns.
type Outcome[R any] struct {
	Status Status

	// Value is what the function returned, for OK.
	Value R

	// Reason is why there is no value. For Exit it is, or wraps, the error that the function
	// returned, a *actor.PanicError or *actor.GoexitError with its stack, or, for a task that was
	// stopped, both the cause of the stop and what the function made of it, ErrAbandoned perhaps.
	// The cause is ErrCancelled unless another was given, ErrShutdown of package actor when the
	// supervisor was stopped, and ErrClosed when it crashed. For Timeout it is ErrTimeout.
	//
	// Its methods call none of an error's of the user's. Unwrapping it leads to that error, unless
	// one of its methods misbehaved.
	Reason error

	// Ending is in what way the task ended, whatever Reason wraps. Cause is why it was told to stop before it ended; nil if it wasn't.
	Ending Ending
	Cause  error

	// Task is the task. After a Timeout it can be yielded again, shut down, or ignored.
	Task *Task[R]

	// RunTime is how long the task had run, from its start to its end or its abandonment.
	RunTime time.Duration
}

// As returns o with its value as an R, for those who know the type that an untyped outcome holds. A value of another type becomes R's zero
// value.
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
