package task

import (
	"context"
	"errors"

	"github.com/gentask/gentask/internal/guard"
)

var (
	// ErrClosed is returned by [Start], and is the reason of outcomes, when the supervisor is not
	// running.
	ErrClosed = errors.New("task: supervisor not running")

	// ErrRunning is returned by [Supervisor.Start] for a supervisor that runs already.
	ErrRunning = errors.New("task: supervisor runs already")

	// ErrEnded is returned by [Go] for a task that has ended.
	ErrEnded = errors.New("task: ended")

	// ErrNoTask is returned by [Go] for a context that is not of a task.
	ErrNoTask = errors.New("task: not the context of a task")

	// ErrMaxChildren is returned by [Start], and is the reason of outcomes, when
	// [Config.MaxChildren] tasks run.
	ErrMaxChildren = errors.New("task: max children running")

	// ErrMaxAbandoned is returned by [Start], and is the reason of outcomes, when
	// [Config.MaxAbandoned] abandoned tasks have not returned.
	ErrMaxAbandoned = errors.New("task: max abandoned tasks")

	// ErrTimeout is the reason of every timeout outcome, and the cause of a stop that follows one.
	// It wraps [context.DeadlineExceeded].
	ErrTimeout = guard.Seal(timeoutError{})

	// ErrCancelled is the cause of a stop without another cause.
	ErrCancelled = errors.New("task: cancelled")

	// ErrAbandoned is wrapped by the reason of a task that did not return within its grace. Its
	// goroutine still runs.
	ErrAbandoned = errors.New("task: abandoned")

	// ErrConfig is wrapped by the errors of [New].
	ErrConfig = errors.New("task: bad config")
)

// timeoutError is ErrTimeout before it is sealed.
type timeoutError struct{}

func (timeoutError) Error() string { return "task: timeout" }

func (timeoutError) Unwrap() error { return context.DeadlineExceeded }
