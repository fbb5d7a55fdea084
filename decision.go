package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Decision is what becomes of a delivery. Make one with [Ack], [Requeue], [Release], [Snooze],
// [PauseConsumer], [DeadLetter] or [Extend]. With the zero Decision, the default policy decides
// instead.
//
// HandleResult returns a Decision. The functions of [Handle], [Work], [Batch] and [Middleware],
// which return an error, can return it as that error:
//
//	return gentask.Snooze(10 * time.Minute)
//	return gentask.DeadLetter(err)
//	return fmt.Errorf("server busy: %w", gentask.Requeue(retryAfter))
//
// [DefaultDecision] finds it as errors.As does, before it calls a rule. Of several in one error,
// the outermost counts. A job that fails with [Requeue] counts as failed, for breakers as well; a
// job that fails with any other Decision does not. A Decision that settles nothing, which is the
// zero Decision or [Extend], makes an error like any other.
//
// It does not matter where in the error a Decision comes from. If a job calls a function that
// returns one, and passes that error on, it decides the job. So do not pass on the reasons of other
// jobs, as in [Event] or task.Outcome.
//
//snippets:needs err error; retryAfter time.Duration
type Decision struct { //nolint:errname // a decision, which can be returned as an error
	kind   decisionKind
	after  time.Duration
	reason error
}

type decisionKind uint8

const (
	undecided decisionKind = iota
	decideAck
	decideRequeue
	decideRelease
	decidePauseConsumer
	decideDeadLetter
	decideExtend
)

// Ack removes the message from the queue: the job is done.
func Ack() Decision { return Decision{kind: decideAck} }

// Requeue gives the message back, to be tried again no earlier than after from now. Zero or less
// means at once. It costs an attempt: at [Retry.MaxAttempts] it becomes a dead letter.
// [Job.Backoff] returns the wait by the configured back-off. From the 25th attempt on, if
// Retry.MaxAttempts allows more, at once means the same as in [Release].
func Requeue(after time.Duration) Decision {
	return Decision{kind: decideRequeue, after: span(max(after, 0))}
}

// Release gives the message back at once, and costs no attempt. It is for a job that was not
// started, or was interrupted through no fault of its own. A message that is released again and
// again after it was started waits from the second time on. The wait is 100 ms, and doubles each
// time, up to a minute. An interruption by a drain or with its session does not count.
func Release() Decision { return Decision{kind: decideRelease} }

// Snooze gives the message back, to be tried again no earlier than after from now, and costs no
// attempt. It is for a job whose time has not come yet. A job that is snoozed again and again never
// ends. Zero or less is a [Release], and less than 100 ms makes the message wait longer from time
// to time as Release does.
func Snooze(after time.Duration) Decision {
	return Decision{kind: decideRelease, after: span(max(after, 0))}
}

// PauseConsumer gives the message back, as [Release] does, and pauses the consumer, as
// [Consumer.Pause] does. It is for a problem that concerns every job, and that an operator must
// look at before resuming.
func PauseConsumer() Decision { return Decision{kind: decidePauseConsumer} }

// DeadLetter removes the message from the queue and keeps it in the dead-letter queue with reason,
// and its stack if it has one. A nil reason becomes the outcome's. Returned as an error, also as
// DeadLetter(nil), it means that the job will never succeed, even if it has attempts left.
// DeadLetter reads reason once, methods and all, on the calling goroutine. A reason that misbehaves
// is replaced by a text that states so.
func DeadLetter(reason error) Decision {
	return Decision{kind: decideDeadLetter, reason: guard.Seal(reason)}
}

// Extend leaves a task that has timed out running for more. If it still runs then, the worker gets
// the next Timeout. Extend is only for a Timeout, and more must be positive; otherwise the default
// policy decides. Less than 10 ms is taken for 10 ms, because a worker that waits for next to
// nothing would do nothing else.
func Extend(more time.Duration) Decision {
	if more > 0 {
		more = max(more, leastExtension)
	}
	return Decision{kind: decideExtend, after: span(more)}
}

// leastExtension is the least time of an Extend.
const leastExtension = 10 * time.Millisecond

// Error returns the text of String after the package's name.
func (d Decision) Error() string { return "gentask: " + d.String() }

// Unwrap returns the reason of a [DeadLetter]; nil for other decisions.
func (d Decision) Unwrap() error { return d.reason }

// String returns the decision in plain words, such as "requeue after 5s".
func (d Decision) String() string {
	switch d.kind {
	case undecided:
		return "undecided"
	case decideAck:
		return "ack"
	case decideRequeue:
		return fmt.Sprintf("requeue after %v", d.after)
	case decideRelease:
		if d.after > 0 {
			return fmt.Sprintf("snooze %v", d.after)
		}
		return "release"
	case decidePauseConsumer:
		return "pause consumer"
	case decideDeadLetter:
		if d.reason == nil {
			return "dead letter"
		}
		return "dead letter: " + d.reason.Error()
	case decideExtend:
		return fmt.Sprintf("extend %v", d.after)
	}
	return fmt.Sprintf("decision(%d)", d.kind)
}

// MarshalText returns the text of String, for a [JobStatus] in JSON or a log.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Disposition returns how the decision settles a delivery. It is zero for an [Extend] and for the
// zero Decision, which settle nothing.
func (d Decision) Disposition() queue.Disposition {
	disposition, _ := d.disposition()
	return disposition
}

// disposition returns the decision's meaning for a queue; ok is false for those that settle
// nothing.
func (d Decision) disposition() (disposition queue.Disposition, ok bool) {
	switch d.kind {
	case decideAck:
		return queue.Ack, true
	case decideRequeue:
		return queue.Requeue, true
	case decideRelease, decidePauseConsumer:
		return queue.Release, true
	case decideDeadLetter:
		return queue.DeadLetter, true
	case undecided, decideExtend:
	}
	return 0, false
}

// settlesOtherwise reports whether the decision settles, and not by a requeue, which is a failure.
func (d Decision) settlesOtherwise() bool {
	_, settles := d.disposition()
	return settles && d.kind != decideRequeue
}

// decisionIn returns the decision that a job has returned as an error, or wrapped in one; the zero
// Decision if there is none that settles. The reason of a dead letter is all of the error.
func decisionIn(reason error) Decision {
	d, found := guard.As[Decision](reason)
	if _, settles := d.disposition(); !found || !settles {
		return Decision{}
	}
	if d.kind == decideDeadLetter && !isDecision(reason) {
		d.reason = guard.Seal(reason)
	}
	return d
}

// isDecision reports whether an error, sealed or not, is a Decision and doesn't only wrap one.
func isDecision(err error) bool {
	if s, sealed := err.(*guard.SealedError); sealed { //nolint:errorlint // the outermost
		err = s.Unwrap()
	}
	_, is := err.(Decision) //nolint:errorlint // likewise
	return is
}
