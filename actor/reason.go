package actor

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/gentask/gentask/internal/guard"
)

var (
	// ErrShutdown is the exit reason of an actor that was stopped.
	ErrShutdown = errors.New("actor: shutdown")

	// ErrKilled is the exit reason of an actor that was killed, or abandoned because it did not
	// stop in time.
	ErrKilled = errors.New("actor: killed")

	// ErrGoexit is wrapped by the exit reason of an actor whose code called runtime.Goexit, as
	// testing's FailNow does.
	ErrGoexit = errors.New("actor: runtime.Goexit called")

	// ErrNoProcess is the exit reason that a monitor reports if no actor lives at a PID. [Ask]
	// returns it, too.
	ErrNoProcess = errors.New("actor: no such actor")

	// ErrRestart is the exit reason of an actor that a strategy of protoactor-go's told to restart
	// in place. The actor has stopped instead, and no other was started. Parents that package
	// supervision has made never do this. ErrRestart wraps [ErrShutdown].
	ErrRestart = fmt.Errorf("%w, because its parent's strategy told it to restart in place", ErrShutdown)

	// ErrUnknown is the exit reason that a monitor reports for an actor that was not spawned by
	// this package, because protoactor-go keeps none.
	ErrUnknown = errors.New("actor: exit reason unknown")
)

// Abnormal reports whether reason is a crash in the sense of a supervisor: neither nil nor
// [ErrShutdown]. It calls no method of an error that this package has reported.
func Abnormal(reason error) bool {
	return reason != nil && !guard.Is(reason, ErrShutdown)
}

// PanicError is the exit reason of code that panicked.
type PanicError struct {
	// Value is the value of the panic. Its methods may panic or block. Error and Unwrap of an error
	// that this package has made call none of them.
	Value any

	read  bool // by Recovered, which sets the next two
	text  string
	cause error
	stack guard.Callers

	elsewhere string // the stack of another process
}

// Error returns the text of Value, cut to 16 KiB.
func (e *PanicError) Error() string {
	if !e.read {
		return "panic: " + guard.Text(e.Value)
	}
	return "panic: " + e.text
}

// Unwrap returns Value, sealed, if it is an error: errors.Is and errors.As see through a panic. If
// a method of Value panicked while it was read, they see the text only.
func (e *PanicError) Unwrap() error {
	if !e.read {
		err, _ := e.Value.(error)
		return err
	}
	return e.cause
}

// Callers returns the stack of the panic as program counters, innermost first.
func (e *PanicError) Callers() []uintptr { return e.stack }

// Stack returns the stack of the panic, innermost function first. It makes the text from the
// program counters.
func (e *PanicError) Stack() string { return cmp.Or(e.elsewhere, e.stack.String()) }

// GoexitError is the exit reason of code that called runtime.Goexit. It wraps [ErrGoexit].
type GoexitError struct {
	stack     guard.Callers
	elsewhere string // the stack of another process
}

// Error returns the text of [ErrGoexit].
func (e *GoexitError) Error() string { return ErrGoexit.Error() }

// Unwrap returns [ErrGoexit].
func (e *GoexitError) Unwrap() error { return ErrGoexit }

// Callers returns the stack of the call as program counters, innermost first.
func (e *GoexitError) Callers() []uintptr { return e.stack }

// Stack returns the stack of the call, innermost function first.
func (e *GoexitError) Stack() string { return cmp.Or(e.elsewhere, e.stack.String()) }

// Stack returns the stack that err carries, or "" if neither err nor what it wraps carries one.
func Stack(err error) string { return guard.Stack(err) }

// Recovered returns the exit reason for the end of a function, with the stack, and nil if the
// function returned. It must be called by a deferred function directly, with the value of recover()
// and with whether the function returned.
//
// Recovered reads the value once, methods and all, on the goroutine that failed or on one that it
// waits for. The reason is safe to read anywhere.
func Recovered(value any, returned bool) error {
	const skip = 1 // Recovered itself
	switch {
	case value != nil:
		if first := recoveredBefore(value); first != nil {
			return first
		}
		return panicked(value, guard.TakeCallers(skip))
	case !returned:
		return &GoexitError{stack: guard.TakeCallers(skip)}
	}
	return nil
}

// recoveredBefore returns the reason if value is one: a panic that was recovered once, and then
// panicked again, or the end of code in another process. It returns nil otherwise.
func recoveredBefore(value any) error {
	switch first := value.(type) {
	case *PanicError:
		if first != nil && first.read {
			return first
		}
	case *GoexitError:
		if first != nil && first.elsewhere != "" {
			return first
		}
	}
	return nil
}

func panicked(value any, stack guard.Callers) *PanicError {
	e := &PanicError{Value: value, read: true, stack: stack}
	err, isError := value.(error)
	if !isError {
		e.text = guard.Text(value)
		return e
	}
	e.text = fmt.Sprintf("an error of type %T, whose methods do not return", value)
	guard.Aside(func() {
		e.cause = guard.Seal(err)
		e.text = e.cause.Error()
	})
	return e
}
