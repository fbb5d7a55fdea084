package isolate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/once"
	"github.com/gentask/gentask/task"
)

var (
	// ErrMemory is wrapped by the [CrashError] of a child that was killed above [Config.Memory].
	ErrMemory = errors.New("isolate: too much memory")

	// ErrCPU is wrapped by the CrashError of a child that was killed above [Config.CPU].
	ErrCPU = errors.New("isolate: too much time of the processor")

	// ErrProtocol is wrapped by the CrashError of a child that was killed because it had written
	// something else than the library's frames to its pipe, or too much.
	ErrProtocol = errors.New("isolate: the child broke the protocol")

	// ErrUnresponsive is wrapped by the CrashError of a child that was killed because its job did
	// not return in [Config.Grace] after its context was cancelled.
	ErrUnresponsive = errors.New("isolate: the job did not return in its grace")

	// ErrStart is wrapped by the errors of jobs that could not start because no child could. They
	// are given back without the cost of an attempt.
	ErrStart = errors.New("isolate: no child could start")
)

// Error is the error of a function in a child, as it crosses to the parent.
type Error struct {
	// Text is that of the error, and Type the name of its type.
	Text, Type string

	stack string
	known []error
}

// Error returns Text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns those of [Config.Errors], and of the standard ones, that the error wraps, and the
// [gentask.Decision] that it is or wraps.
func (e *Error) Unwrap() []error { return e.known }

// Stack returns the stack that the error carries, or "" if it carries none.
func (e *Error) Stack() string { return e.stack }

// CrashError is the reason of a job whose process died.
type CrashError struct {
	// Signal is what killed the process; zero if it exited.
	Signal syscall.Signal
	// ExitCode is with which code it exited; -1 if it was killed by a signal.
	ExitCode int
	// Stderr is the end of what it wrote to its output and its standard error: 16 KiB at most.
	Stderr string
	// Goroutines is what the Go runtime wrote about the crash: 16 KiB at most. It is empty if there
	// is nothing of the kind.
	Goroutines string
	// Usage is what the process used in its life.
	Usage Usage
	// Err is why the parent killed the process: [ErrMemory], [ErrCPU], [ErrProtocol] or
	// [ErrUnresponsive], wrapped or not. It is nil if the process died by itself, or something else
	// killed it.
	Err error
}

// Usage is what a process and those that it has waited for have used.
type Usage struct {
	User, System time.Duration
	MaxRSS       uint64 // in bytes; zero if it is unknown
}

// Error returns how the process died, why it was killed, and the first line that the Go runtime
// wrote about it.
func (e *CrashError) Error() string {
	var b strings.Builder
	b.WriteString("isolate: the job's process ")
	if e.Signal != 0 {
		fmt.Fprintf(&b, "was killed by signal %d (%v)", int(e.Signal), e.Signal)
	} else {
		fmt.Fprintf(&b, "exited with code %d", e.ExitCode)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if first, _, _ := strings.Cut(e.Goroutines, "\n"); first != "" {
		fmt.Fprintf(&b, ": %s", first)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *CrashError) Unwrap() error { return e.Err }

// Stack returns the stack of the goroutine that crashed, as the Go runtime wrote it; empty if there
// is none. [queue.Fingerprint] takes it.
func (e *CrashError) Stack() string { return once.Stack(e.Goroutines) }

// WhenCrash returns a match for a [gentask.Rule]: a job whose process died, by one of the signals
// if any are given.
func WhenCrash(signals ...syscall.Signal) gentask.Match {
	return func(_ task.Status, reason error) bool {
		crash, is := guard.As[*CrashError](reason)
		return is && (len(signals) == 0 || slices.Contains(signals, crash.Signal))
	}
}

// startError is why no child can be started at the moment. Jobs are given back with it.
func startError(err error, wait time.Duration) error {
	return fmt.Errorf("%w: %w: %w", ErrStart, err, gentask.Snooze(wait))
}

// crashOf describes the end of a process.
func crashOf(state *os.ProcessState, output *once.Output, err error) *CrashError {
	crash := &CrashError{Err: err, ExitCode: -1}
	crash.Stderr, crash.Goroutines = output.Texts()
	if state == nil {
		return crash
	}
	crash.ExitCode = state.ExitCode()
	crash.Usage = Usage{User: state.UserTime(), System: state.SystemTime(), MaxRSS: maxRSS(state)}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		crash.Signal = status.Signal()
	}
	return crash
}
