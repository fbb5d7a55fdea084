package task

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
)

// run is one task: what it works on, and how it stands. mu decides between the three who may end it: the function that returns, the
// supervisor that abandons it, and the owner that no longer cares. A value that is there before the stop takes effect wins.
type run struct {
	actor.Routine

	id      uint64
	handle  Task[any]
	name    string
	life    *life
	part    *actor.PID
	owner   *actor.PID // belongs to the partition; nil: nobody is told, they wait on done
	ctx     runContext
	cancel  context.CancelCauseFunc
	started time.Time

	mu        sync.Mutex
	fn        func(context.Context) (any, error)
	value     any
	state     state
	dropped   bool  // nobody wants the result
	stopCause error // why it was told to stop, if it was
	reason    error
	ended     time.Time
	done      chan struct{} // made by the first who waits
	group     group

	// The rest belongs to the partition.
	timer      *time.Timer
	generation int
	timeout    time.Duration
	prev, next *run
	final      Outcome[any]
}

type state uint8

const (
	running state = iota
	finished
	abandoned
)

// errBody stands for the failure of the task's own function among those of its goroutines: the first failure is the reason.
var errBody = errors.New("task: function failed")

// runContext is the context of a task: its parent's values, the task's own cancellation, and the task itself.
type runContext struct {
	context.Context
	run *run
}

type runKey struct{}

func (c *runContext) Value(key any) any {
	if _, ok := key.(runKey); ok {
		return c.run
	}
	return c.Context.Value(key)
}

func newRun(parent context.Context, fn func(context.Context) (any, error)) *run {
	r := &run{fn: fn}
	r.handle.run = r
	r.ctx.run = r
	r.ctx.Context, r.cancel = context.WithCancelCause(parent)
	return r
}

// Run is the body of the routine. Goroutines that belong to the task end before it does.
func (r *run) Run() (err error) {
	returned := false
	defer func() {
		if !returned || err != nil {
			r.group.fail(errBody)
			r.cancel(ErrCancelled)
		}
		r.group.wait()
	}()
	value, err := r.fn(&r.ctx)
	returned = true
	r.keep(value)
	return err
}

func (r *run) keep(value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value = value
}

// Cancel is called when somebody stops the routine by its PID.
func (r *run) Cancel() { r.stop(actor.ErrKilled) }

// stop cancels the context with cause, once.
func (r *run) stop(cause error) {
	r.mu.Lock()
	if r.stopCause == nil && r.state == running {
		r.stopCause = cause
	}
	r.mu.Unlock()
	r.cancel(cause)
}

// Ended is called on the task's goroutine, as the last thing.
func (r *run) Ended(reason error) {
	if failure := r.group.failure(); failure != nil && failure != errBody { //nolint:errorlint // identity: it never leaves this package
		reason = failure
	}
	r.cancel(nil)
	r.mu.Lock()
	late := r.state == abandoned
	if r.state == running {
		r.state = finished
	}
	r.reason = r.explain(reason)
	r.fn = nil // a handle can outlive the task; what it worked on must not
	r.ended = time.Now()
	if r.reason != nil || late {
		r.value = nil
	}
	if r.done != nil && !late {
		close(r.done)
	}
	dropped := r.dropped
	r.mu.Unlock()
	r.life.count.ended(late, dropped)
	actor.Send(r.life.sys, r.part, (*ended)(r))
}

// explain says in the reason that the task was stopped, if it was; mu is held.
func (r *run) explain(reason error) error {
	if reason == nil || r.stopCause == nil || errors.Is(reason, r.stopCause) {
		return reason
	}
	return fmt.Errorf("%w: %w", r.stopCause, reason)
}

// abandon gives the task up, and says whether it did: a task that has finished meanwhile has an outcome.
func (r *run) abandon() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running {
		return false
	}
	r.state = abandoned
	r.reason = ErrAbandoned
	if r.stopCause != nil {
		r.reason = fmt.Errorf("%w: %w", r.stopCause, ErrAbandoned)
	}
	if r.done != nil {
		close(r.done)
	}
	r.life.count.abandon()
	return true
}

// drop says that nobody wants the result any more.
func (r *run) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped = true
}

// over says whether an outcome stands.
func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state != running
}

// wait returns a channel that is closed when an outcome stands.
func (r *run) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.state != running {
			close(r.done)
		}
	}
	return r.done
}

// outcome says how the task stands.
func (r *run) outcome() Outcome[any] {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := Outcome[any]{Task: &r.handle, Reason: r.reason}
	switch {
	case r.state == running:
		o.Status, o.Reason, o.RunTime = Timeout, ErrTimeout, time.Since(r.started)
	case r.reason != nil:
		o.Status, o.RunTime = Exit, r.runTime()
	default:
		o.Status, o.Value, o.RunTime = OK, r.value, r.runTime()
	}
	return o
}

func (r *run) runTime() time.Duration {
	if r.ended.IsZero() {
		return time.Since(r.started)
	}
	return r.ended.Sub(r.started)
}
