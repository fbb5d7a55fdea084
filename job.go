package gentask

import (
	"context"
	"maps"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// Job is one delivery, as its functions see it. It is a small value, to be copied; its methods are safe
// for concurrent use. See [ActorJob] for workers made by [Actor].
type Job[J any] struct {
	entry   *entry
	payload J
}

// FromContext returns the job that a task's context belongs to. Its payload is what Run got, or nil if Actor runs it.
func FromContext(ctx context.Context) (Job[any], bool) {
	e, ok := ctx.Value(entryKey{}).(*entry)
	if !ok {
		return Job[any]{}, false
	}
	return Job[any]{entry: e, payload: e.keptPayload()}, true
}

// ID names the message, over all of its attempts.
func (j Job[J]) ID() string { return j.entry.delivery.ID }

// Attempt says which delivery of the message this is, from 1.
func (j Job[J]) Attempt() int { return j.entry.item.Attempt }

// Redelivered says that the broker delivered the message before, or must assume so.
func (j Job[J]) Redelivered() bool { return j.entry.delivery.Redelivered }

// Payload is the decoded body. In HandleResult it is the zero value if the payload could not be decoded.
func (j Job[J]) Payload() J { return j.payload }

// Body is the body as it was delivered. It must not be changed.
func (j Job[J]) Body() []byte { return j.entry.delivery.Body }

// Headers returns a copy of the message's headers.
func (j Job[J]) Headers() map[string]string { return maps.Clone(j.entry.delivery.Headers) }

// Published is when the message was published; zero if unknown.
func (j Job[J]) Published() time.Time { return j.entry.delivery.Time }

// Backoff returns how long to wait before the next attempt: in HandleResult, by the rule that
// matches how this one ended; otherwise by [Retry.Backoff].
func (j Job[J]) Backoff() time.Duration {
	e := j.entry
	s, reason := e.ended()
	if s != task.Exit && s != task.Timeout {
		return e.backoff(nil, nil)
	}
	return e.backoff(e.rule(s, reason), reason)
}

// Settle ends the delivery now, whatever its task still does; what is decided later is ignored. It returns ErrSettled if the delivery was
// settled before, ErrSessionLost if its session is over, and ErrUndecided for a decision that settles nothing. It doesn't wait for the
// broker.
func (j Job[J]) Settle(d Decision) error { return j.entry.settle(d, nil) }

// Cancel stops the job: its task's context is cancelled with ErrCancelled, and after the grace it is abandoned. The worker hears the outcome.
// After the job's end it does nothing.
func (j Job[J]) Cancel() { j.entry.stop(ErrCancelled) }

// ActorJob is the job of a worker made by [Actor]. It is a Job that can run a task whose outcome the
// worker gets as a message.
type ActorJob[J any] struct{ Job[J] }

// Run runs f in a task. The worker calls it from its own Receive, and gets the *task.Outcome[any]. After
// a Timeout it decides: task.Extend, task.Stop, or Settle. Run returns an error if a task of the job
// runs already, the job has been stopped (then the error is the cause), or no task can be started; the
// worker then settles, or ends and leaves it to the default policy.
func (j ActorJob[J]) Run(ctx actor.Context, f func(context.Context) (any, error)) error {
	e, run := j.entry, f
	if e.cfg.runFunc != nil {
		run = func(c context.Context) (any, error) { return e.cfg.within(c, e, j.payload, f) }
	}
	hosted := func(c context.Context) (any, error) { return hostedFunc(c, e.cfg.hooks.Host, run) }
	return e.run(task.Spec{Run: hosted, Owner: ctx.Self()})
}
