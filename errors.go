package gentask

import (
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/batching"
	"github.com/gentask/gentask/queue"
)

var (
	// ErrSettled is returned by [Job.Settle] when the delivery was settled before.
	ErrSettled = queue.ErrSettled

	// ErrSessionLost is returned by [Job.Settle] when the session that delivered the job is over,
	// and is the cause that cancels its task then. The delivery is lost, and the broker delivers
	// the message again, to any consumer.
	ErrSessionLost = queue.ErrSessionLost

	// ErrCancelled is the cause that cancels a job's task after [Consumer.Cancel] and [Job.Cancel].
	ErrCancelled = errors.New("gentask: job cancelled")

	// ErrQuotaLost is the cause that cancels a job's task when its unit of
	// [FleetLimits.Concurrency] is lost, and may go to another node.
	ErrQuotaLost = errors.New("gentask: the job's unit of the fleet's limit is lost")

	// ErrDrained is the cause that cancels a job's task when the time to drain is over.
	ErrDrained = errors.New("gentask: consumer drained")

	// ErrUndecided is returned by [Job.Settle] for a decision that settles nothing: the zero
	// [Decision] and [Extend].
	ErrUndecided = errors.New("gentask: decision settles nothing; want one that settles: any but Extend")

	// ErrWorkerLost is the reason of a job whose worker ended without a decision.
	ErrWorkerLost = errors.New("gentask: worker ended without a decision")

	// ErrNoResult is the reason of a job that the function of a [Batch] returned no result for.
	ErrNoResult = batching.ErrNoResult

	// ErrExpired is the reason of a job whose deadline is over: see [DeadlineFrom].
	ErrExpired = errors.New("gentask: deadline over")

	// ErrDuplicate is the reason of a job that was acknowledged without a run because it was done
	// before: see [Dedup].
	ErrDuplicate = errors.New("gentask: done before, acknowledged without a run")

	// ErrNotRunning is returned by the methods of a [Consumer] that has not been started, or has
	// ended.
	ErrNotRunning = errors.New("gentask: consumer not running")

	// ErrRunning is returned by [Consumer.Start] for a consumer that was started before.
	ErrRunning = errors.New("gentask: consumer already started")

	// ErrNoWorker is returned by [Consumer.Worker] for a job that is held and has no worker, or one
	// made by [Actor] that has not started its task yet.
	ErrNoWorker = errors.New("gentask: job has no worker at the moment")

	// ErrUnknownJob is returned by Consumer.Cancel and Consumer.Worker when no delivery with the id
	// is held.
	ErrUnknownJob = errors.New("gentask: no such job held")

	// ErrNoSession is wrapped by the error of [Run] when ctx ended before any session could be
	// opened. The error also wraps the reason why the last attempt failed.
	ErrNoSession = errors.New("gentask: no session was ever opened")

	// ErrStanding is wrapped by [Health.Error] when the consumer's ledger makes no turns, and by
	// the error of [Run] when the consumer does not stop. Something blocks the actors, such as a
	// dispatcher that does not run them.
	ErrStanding = errors.New("gentask: consumer stands still")

	// ErrConfig is wrapped by the errors of [New], [Run] and [Consumer.Props] for a bad
	// configuration. The errors name the field, its value and the valid ones.
	ErrConfig = errors.New("gentask: bad config")
)

// DecodeError is the reason of a job whose payload could not be decoded. Its Run is never called.
// The job is dead-lettered, unless a rule of [Config.Retry] matches, such as one with [WhenErrorAs]
// of this type: then the rule decides.
type DecodeError struct {
	// Type is the name of the type that the payload was decoded into.
	Type string
	// Err is the decoder's error.
	Err error
}

// Error returns the type and the decoder's error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("gentask: decode payload into %s: %v", e.Type, e.Err)
}

// Unwrap returns the decoder's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// AttemptsError is the reason of a dead letter whose attempts are used up.
type AttemptsError struct {
	// Attempt is the last attempt. Max is [Retry.MaxAttempts], or that of the kind or the rule that
	// ended it.
	Attempt, Max int
	// Err is why the last attempt failed; nil if it was lost with its session or its process.
	Err error
}

// Error returns the number of attempts, and why the last one failed.
func (e *AttemptsError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("gentask: attempt %d of %d: earlier ones were lost with their session or process",
			e.Attempt, e.Max)
	}
	return fmt.Sprintf("gentask: attempt %d of %d failed: %v", e.Attempt, e.Max, e.Err)
}

// Unwrap returns why the last attempt failed.
func (e *AttemptsError) Unwrap() error { return e.Err }

// HoldError is the reason of a dead letter that [Order.Strict] may not hold any longer.
type HoldError struct {
	// Attempt is the last attempt, and Hold is [Order.Hold].
	Attempt int
	Hold    time.Duration
	// Err is why the last attempt failed.
	Err error
}

// Error returns how long the delivery could be held, and why the last attempt failed.
func (e *HoldError) Error() string {
	return fmt.Sprintf("gentask: attempt %d failed, and the next would be later than its key may wait, %v: %v",
		e.Attempt, e.Hold, e.Err)
}

// Unwrap returns why the last attempt failed.
func (e *HoldError) Unwrap() error { return e.Err }

var (
	// ErrReturned is the reason of a delivery, in its [EventDone], whose settlement was not taken.
	// The delivery was returned to the broker instead: see [EventReturned]. The error wraps the
	// refusal.
	ErrReturned = errors.New("gentask: settlement not taken, delivery returned to the broker")

	// ErrJammed is the reason of a session that was given up because the prefetch was full of
	// deliveries that could neither be settled nor returned.
	ErrJammed = errors.New("gentask: prefetch full of deliveries that can't be settled")
)
