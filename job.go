package gentask

import (
	"context"
	"maps"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Job is one delivery, as its functions see it. It is a small value that may be copied. Its methods
// are safe for concurrent use. See [ActorJob] for workers made by [Actor].
type Job[J any] struct {
	entry   *entry
	payload J
}

// FromContext returns the job of a task's context, and reports whether there is one. The job's
// payload is the one passed to Run, or nil if [Actor] runs the job.
func FromContext(ctx context.Context) (Job[any], bool) {
	e, ok := ctx.Value(entryKey{}).(*entry)
	if !ok {
		return Job[any]{}, false
	}
	return Job[any]{entry: e, payload: e.keptPayload()}, true
}

// ID returns the message's ID, which is the same in all of its attempts.
func (j Job[J]) ID() string { return j.entry.delivery.ID }

// Attempt returns which delivery of the message this is, from 1.
func (j Job[J]) Attempt() int { return j.entry.item.Attempt }

// Redelivered reports whether the broker delivered the message before, or must assume so.
func (j Job[J]) Redelivered() bool { return j.entry.delivery.Redelivered }

// Payload returns the decoded body. In HandleResult it is the zero value if the payload could not
// be decoded.
func (j Job[J]) Payload() J { return j.payload }

// Body returns the body as it was delivered. It must not be changed.
func (j Job[J]) Body() []byte { return j.entry.delivery.Body }

// Headers returns a copy of the message's headers.
func (j Job[J]) Headers() map[string]string { return maps.Clone(j.entry.delivery.Headers) }

// Properties returns the message's properties, such as the address for an answer; the zero value if
// it has none.
func (j Job[J]) Properties() queue.Properties {
	if p := j.entry.delivery.Properties; p != nil {
		return *p
	}
	return queue.Properties{}
}

// Message returns a copy of the message, with its content type and priority. It shares the body,
// which must not be changed.
func (j Job[J]) Message() queue.Message {
	m := j.entry.delivery.Message
	m.Headers, m.Properties = maps.Clone(m.Headers), m.Properties.OrNil()
	return m
}

// DedupKey returns the key under which a [DedupStore] remembers the job: the same for every
// delivery of its message, at every node. A job that commits it together with its effects, in one
// transaction, has them once: see package queue/postgres.
func (j Job[J]) DedupKey() string { return storeKey(j.entry.delivery) }

// Published returns when the message was published; zero if unknown.
func (j Job[J]) Published() time.Time { return j.entry.delivery.Time }

// Backoff returns how long to wait before the next attempt. When the task has ended, or its time is
// over, that is by the rule that matches that, and otherwise by [Retry.Backoff].
func (j Job[J]) Backoff() time.Duration {
	e := j.entry
	s, reason := e.ended()
	if s != task.Exit && s != task.Timeout {
		return e.backoff(nil, nil)
	}
	return e.backoff(e.rule(s, e.facts(s).explain(reason)), reason)
}

// Settle ends the delivery now, even while its task runs. Later decisions are ignored. It
// returns [ErrSettled] if the delivery was settled before, [ErrSessionLost] if its session is over,
// and [ErrUndecided] for a decision that settles nothing. It doesn't wait for the broker.
func (j Job[J]) Settle(d Decision) error { return j.entry.settle(d, nil) }

// Cancel stops the job: its task's context is cancelled with [ErrCancelled], and after the grace
// the task is abandoned. The worker gets the outcome. After the job's end Cancel does nothing.
func (j Job[J]) Cancel() { j.entry.stop(ErrCancelled) }

// ActorJob is the job of a worker made by [Actor]: a [Job] that can run a task, whose outcome the
// worker gets as a message.
type ActorJob[J any] struct{ Job[J] }

// Run runs f in a task. The worker must call it in its own Receive, and gets the *task.Outcome[any]
// as a message. After a Timeout the worker must decide: by task.Extend, task.Stop, or [Job.Settle].
// Run returns an error if a task of the job runs already, or if no task can be started. If the job
// has been stopped, the error is the cause. The worker should then settle, or end and leave the
// decision to the default policy.
func (j ActorJob[J]) Run(ctx actor.Context, f func(context.Context) (any, error)) error {
	e, run := j.entry, f
	if e.cfg.runFunc != nil {
		run = func(c context.Context) (any, error) { return e.cfg.within(c, e, j.payload, f) }
	}
	hosted := func(c context.Context) (any, error) { return hostedFunc(c, e.cfg.hooks.Host, run) }
	return e.run(task.Spec{Run: hosted, Owner: ctx.Self()})
}
