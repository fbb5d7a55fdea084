package gentask

import (
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

var (
	// ErrSettled is returned by Job.Settle when the delivery was settled before.
	ErrSettled = queue.ErrSettled

	// ErrSessionLost is returned by Job.Settle when the session that delivered the job is over, and is the cause that cancels its task then:
	// the delivery is lost, and the broker delivers the message again, to anyone.
	ErrSessionLost = queue.ErrSessionLost

	// ErrCancelled is the cause that cancels a job's task after Consumer.Cancel and Job.Cancel.
	ErrCancelled = errors.New("gentask: job cancelled")

	// ErrDrained is the cause that cancels a job's task when the time to drain is over.
	ErrDrained = errors.New("gentask: consumer drained")

	// ErrUndecided is returned by Job.Settle for a decision that settles nothing: the zero Decision and Wait.
	ErrUndecided = errors.New("gentask: decision settles nothing; want Ack, Requeue, Release or DeadLetter")

	// ErrWorkerLost is the reason of a job whose worker ended without a decision.
	ErrWorkerLost = errors.New("gentask: worker ended without a decision")

	// ErrNotRunning is returned by the methods of a Consumer that has not been started, or has ended.
	ErrNotRunning = errors.New("gentask: consumer not running")

	// ErrRunning is returned by Start for a consumer that was started before.
	ErrRunning = errors.New("gentask: consumer already started")

	// ErrUnknownJob is returned by Consumer.Cancel when no delivery with the id is held.
	ErrUnknownJob = errors.New("gentask: no such job held")

	// ErrConfig is wrapped by the errors of New, Run and Props: they name the field, what it was and what would be right.
	ErrConfig = errors.New("gentask: bad config")
)

// DecodeError is the reason of a job whose payload could not be decoded. It is dead-lettered; Run is never called.
type DecodeError struct {
	// Type is the type that the payload was to become.
	Type string
	// Err is the decoder's error.
	Err error
}

// Error says what was to become of the payload, and why it did not.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("gentask: decode payload into %s: %v", e.Type, e.Err)
}

// Unwrap returns the decoder's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// AttemptsError is the reason of a dead letter whose attempts are used up.
type AttemptsError struct {
	// Attempt is the attempt that was the last, and Max is Config.MaxAttempts.
	Attempt, Max int
	// Err is why the last attempt failed; nil if it was lost with its session or its process.
	Err error
}

// Error says how many attempts there were.
func (e *AttemptsError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("gentask: attempt %d of %d: earlier ones were lost with their session or process", e.Attempt, e.Max)
	}
	return fmt.Sprintf("gentask: attempt %d of %d failed: %v", e.Attempt, e.Max, e.Err)
}

// Unwrap returns why the last attempt failed.
func (e *AttemptsError) Unwrap() error { return e.Err }
