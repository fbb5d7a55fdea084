package wasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gentask/gentask/isolate/internal/once"
)

var (
	// ErrFuel is wrapped by the error of a guest that has used up [Config.Fuel].
	ErrFuel = errors.New("wasm: the guest has used up its fuel")

	// ErrMemory is wrapped by the error of a guest that has failed after it was refused memory: see
	// [Config.Memory].
	ErrMemory = errors.New("wasm: the guest wanted too much memory")

	// ErrReply is wrapped by the error of a guest that has written more than [Config.MaxReply].
	ErrReply = errors.New("wasm: the result of the guest is too large")

	// ErrModule is wrapped by the errors of [New] for a module that can't be run. Those of
	// [gentask.New] wrap it for behaviours of such a module.
	ErrModule = errors.New("wasm: bad module")
)

// ExitError is the error of a guest that has exited with another code than zero.
type ExitError struct {
	// Code is the exit code.
	Code uint32
	// Stderr is the end of what it wrote to its standard error: 16 KiB at most.
	Stderr string
	// Goroutines is what the Go runtime in the guest wrote about a crash: 16 KiB at most. It is
	// empty if there is nothing of the kind.
	Goroutines string
	// Err is [ErrMemory] if the guest was refused memory before; nil otherwise.
	Err error
}

// Error returns the code, and the first line that the Go runtime wrote about a crash.
func (e *ExitError) Error() string {
	return describe(fmt.Sprintf("wasm: the guest exited with code %d", e.Code), e.Err, e.Goroutines)
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Stack returns the stack of the goroutine that crashed, as the Go runtime in the guest wrote it;
// empty if there is none. [queue.Fingerprint] takes it.
func (e *ExitError) Stack() string { return once.Stack(e.Goroutines) }

// TrapError is the error of a guest that has trapped.
type TrapError struct {
	// Reason is why, in the words of the WebAssembly specification: "unreachable", "out of bounds
	// memory access", "integer divide by zero", "stack overflow" and so on.
	Reason string
	// Stderr is the end of what it wrote to its standard error: 16 KiB at most.
	Stderr string
	// Err is [ErrMemory] if the guest was refused memory before; nil otherwise.
	Err error

	stack string
}

// Error returns the reason.
func (e *TrapError) Error() string { return describe("wasm: the guest trapped: "+e.Reason, e.Err, "") }

// Unwrap returns Err.
func (e *TrapError) Unwrap() error { return e.Err }

// Stack returns the functions of the guest that ran, the last one called first; empty if they are
// not known. [queue.Fingerprint] takes it.
func (e *TrapError) Stack() string { return e.stack }

// describe returns the text of an error.
func describe(what string, why error, report string) string {
	if why != nil {
		what += ": " + why.Error()
	}
	if first, _, _ := strings.Cut(report, "\n"); first != "" {
		what += ": " + first
	}
	return what
}

// trapOf returns the error of a guest by that of the runtime. The runtime exports no types for it,
// so the text is read. It is words before the reason, the reason, and a stack that may be missing.
func trapOf(err error) *TrapError {
	reason, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	if _, after, found := strings.Cut(reason, " failed: "); found {
		reason = after
	}
	reason = strings.TrimPrefix(reason, "wasm error: ")
	return &TrapError{Reason: reason, stack: functions(stack)}
}

// functions returns a stack as debug.Stack writes it, without files.
func functions(stack string) string {
	var b strings.Builder
	for line := range strings.Lines(stack) {
		name, _, found := strings.Cut(strings.TrimSpace(line), "(")
		if !found {
			break
		}
		fmt.Fprintf(&b, "%s()\n", strings.TrimPrefix(name, "."))
	}
	return b.String()
}
