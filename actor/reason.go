package actor

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

var (
	// ErrShutdown is the exit reason of an actor that was told to stop.
	ErrShutdown = errors.New("actor: shutdown")

	// ErrKilled is the exit reason of an actor that was killed, or abandoned because it did not stop in time.
	ErrKilled = errors.New("actor: killed")

	// ErrGoexit is wrapped by the exit reason of an actor whose code called runtime.Goexit, as testing's FailNow does.
	ErrGoexit = errors.New("actor: runtime.Goexit called")

	// ErrNoProcess is the exit reason that a monitor reports for a PID under which nobody lives, and what Ask returns for one.
	ErrNoProcess = errors.New("actor: no such actor")

	// ErrUnknown is the exit reason that a monitor reports for an actor that was not spawned by this package: protoactor-go keeps none.
	ErrUnknown = errors.New("actor: exit reason unknown")
)

// Abnormal says whether reason is a crash in the sense of a supervisor: neither nil nor ErrShutdown.
func Abnormal(reason error) bool {
	return reason != nil && !errors.Is(reason, ErrShutdown)
}

// PanicError is the exit reason of code that panicked.
type PanicError struct {
	// Value is what the code panicked with.
	Value any

	stack callers
}

// Error says what the panic said.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns Value if it is an error, so that errors.Is and errors.As see through a panic.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Stack returns the stack of the panic, innermost function first. The text is made by the call, not by the panic.
func (e *PanicError) Stack() string { return e.stack.String() }

// GoexitError is the exit reason of code that called runtime.Goexit. It wraps ErrGoexit.
type GoexitError struct{ stack callers }

// Error says what happened.
func (e *GoexitError) Error() string { return ErrGoexit.Error() }

// Unwrap returns ErrGoexit.
func (e *GoexitError) Unwrap() error { return ErrGoexit }

// Stack returns the stack of the call, innermost function first.
func (e *GoexitError) Stack() string { return e.stack.String() }

// Stack returns the stack that err carries, or "" if neither err nor what it wraps carries one.
func Stack(err error) string {
	var s interface{ Stack() string }
	if errors.As(err, &s) {
		return s.Stack()
	}
	return ""
}

// Recovered turns what a deferred function sees into an exit reason, with the stack. It is to be called by a deferred function directly, with
// the value of recover() and whether the code returned; it returns nil for code that returned.
func Recovered(value any, returned bool) error {
	switch {
	case value != nil:
		return &PanicError{Value: value, stack: takeCallers()}
	case !returned:
		return &GoexitError{stack: takeCallers()}
	}
	return nil
}

// callers is a stack as program counters: some 40 times cheaper to take than its text.
type callers []uintptr

func takeCallers() callers {
	// 3 leaves out runtime.Callers, this function and Recovered.
	const skip, depth = 3, 64
	var pcs [depth]uintptr
	return append(callers(nil), pcs[:runtime.Callers(skip, pcs[:])]...)
}

// String renders the stack in the manner of debug.Stack, without the frames of the runtime's own unwinding.
func (c callers) String() string {
	var b strings.Builder
	frames := runtime.CallersFrames(c)
	for {
		f, more := frames.Next()
		if f.Function != "" {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}
