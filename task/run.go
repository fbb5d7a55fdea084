package task

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// run is one task and its state. mu decides between the two that may end it: the function that
// returns, and the supervisor that abandons it. A value that is there before the stop takes effect
// wins.
type run struct {
	cell.Routine

	id        uint64
	name      string
	handle    Task[any]
	share     *share // nil: it was never admitted
	scope     scope
	fn        func(context.Context) (any, error)
	value     any
	group     group
	started   time.Duration // since the epoch of the share
	timeout   time.Duration
	limit     atomic.Int64  // deadline of the timeout, since the epoch of the share; zero: never
	killGrace time.Duration // not zero: the timeout shuts the task down with it, and is not reported

	mu        sync.Mutex
	state     state
	dropped   bool          // the result is ignored
	stopping  bool          // was stopped, and has its grace; the partition's
	retired   bool          // has an outcome; the share's, like the clock's fields
	failed    bool          // stopCause is a failure of its own
	crashed   bool          // fn did not return; the task's goroutine's
	owner     *actor.PID    // may be nil: callers wait on done
	listener  listener      // takes the place of owner, if not nil
	stopCause error         // sealed; nil: it was not stopped
	final     Outcome[any]  // doesn't change after the end
	done      chan struct{} // made by the first caller that waits
	watchers  *watcher      // get their index with the outcome

	unanswered time.Duration // since when a Timeout is unanswered; zero: none is

	wait       wait
	prev, next *run
}

type state uint8

const (
	running state = iota
	finished
	abandoned
)

// errBody stands for the failure of the task's own function among those of its goroutines: the
// first failure is the reason.
var errBody = errors.New("task: function failed")

func newRun(parent context.Context, fn func(context.Context) (any, error)) *run {
	r := &run{fn: fn}
	r.handle.run = r
	r.scope.parent = parent // may be nil
	return r
}

// Run is the body of the routine. Goroutines that belong to the task end before it does. Stack
// finds the task by this frame.
//
// The error is sealed here, on the task's goroutine, because its methods run user code.
// They may panic, exit the goroutine, or block until the task is abandoned.
//
//go:noinline
func (r *run) Run() (err error) {
	if r.now() == abandoned {
		return ErrAbandoned // its supervisor crashed while it was being started
	}
	returned := false
	defer func() {
		if !returned {
			r.crashed = true
			r.bodyFailed()
		}
		r.group.wait()
		r.scope.end(canceled, nil)
		r.scope.left()
	}()
	r.value, err = r.fn((*runContext)(r))
	if err != nil {
		r.bodyFailed()
		err = guard.Seal(err)
	}
	returned = true
	runtime.KeepAlive(r) // or else a traceback might lack the receiver
	return err
}

// bodyFailed stops the goroutines of the task because its function has failed.
func (r *run) bodyFailed() {
	r.group.fail(errBody, false) // the run shows whether it has crashed
	r.scope.end(canceled, ErrCancelled)
}

// Cancel is called when the routine is stopped by its PID.
func (r *run) Cancel() { r.stop(actor.ErrKilled, actor.ErrKilled) }

// stop ends the context. The first cause counts. It comes in two forms: sealed for this package,
// and as it was given for context.Cause.
func (r *run) stop(sealed, given error) {
	r.note(sealed, false)
	state := canceled
	if guard.Is(sealed, context.DeadlineExceeded) {
		state = exceeded
	}
	r.scope.end(state, given)
}

// fail is stop for a goroutine of the task's that has failed.
func (r *run) fail(reason error) {
	r.note(reason, true)
	r.scope.end(canceled, reason)
}

// note keeps the first reason to stop. own marks a failure of the task's own.
func (r *run) note(sealed error, own bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopCause == nil && r.state == running {
		r.stopCause, r.failed = sealed, own
	}
}

// Ended is called as the last thing, on a goroutine that has nothing else to do, so it reports the
// outcome there. Nothing would recover a panic, so it calls no user code: reason is
// sealed. A handle can outlive the task, and must not keep its work in memory.
func (r *run) Ended(reason error) {
	r.scope.end(canceled, nil)
	inTime := r.finish(r.group.first(r.crashed, reason))
	r.fn, r.value = nil, nil
	if !inTime {
		r.share.count.returned()
		r.share.forget(r)
		r.share.count.tell(r.share.sys)
		return
	}
	if r.share.retire(r, false) {
		r.share.send(&lastEnded{})
	}
	r.tellLast()
}

// finish makes the outcome of a task that returned, unless it was abandoned before.
func (r *run) finish(crashed bool, reason error) (inTime bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == abandoned {
		return false
	}
	r.share.count.ended(r.dropped)
	r.settle(finished, r.explain(reason), endingOf(reason, crashed))
	return true
}

// tellTimeout reports to the owner that the task runs on past its time, unless it has ended. It
// posts the message with mu held, so that it can't come after the outcome.
func (r *run) tellTimeout() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == running {
		r.unanswered = r.share.now() + 1
		o := r.overdue()
		r.post(&o)
	}
}

// tellFinal reports the end of the task to the owner, perhaps again.
func (r *run) tellFinal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running {
		r.post(&r.final)
	}
}

// post must be called with mu held.
func (r *run) post(o *Outcome[any]) {
	switch {
	case r.listener != nil:
		post(r.listener, o, false)
	case r.owner != nil:
		actor.Send(r.share.sys, r.owner, o)
	}
}

// tellLast reports the end of the task to the owner, on the task's goroutine.
func (r *run) tellLast() {
	r.mu.Lock()
	owner, listener := r.owner, r.listener
	r.mu.Unlock()
	switch {
	case listener != nil:
		post(listener, &r.final, true)
	case owner != nil:
		process.SendLast(r.share.sys, owner, &r.final)
	}
}

type listener = cell.Listener[*Outcome[any]]

// post recovers a panic of the listener, which would end the process, or the partition.
func post(l listener, o *Outcome[any], last bool) {
	defer func() { _ = recover() }()
	l.TaskOutcome(o, last)
}

// adopt gives the task another owner, or none. If the task has ended, it reports that to the new
// owner.
func (r *run) adopt(owner *actor.PID) {
	r.mu.Lock()
	r.owner, r.listener = owner, nil
	r.mu.Unlock()
	r.tellFinal()
}

// abandon gives the task up, and reports whether it did: a task that has finished meanwhile has an
// outcome.
func (r *run) abandon() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running {
		return false
	}
	r.share.count.abandoned()
	r.settle(abandoned, r.explain(ErrAbandoned), Abandoned)
	return true
}

// refuse ends a task that has not begun. Reason is sealed.
func (r *run) refuse(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fn = nil
	r.settle(finished, reason, NotEnded)
}

// settle is the one way to an outcome. It must be called with mu held, once, when the task's place
// is free again.
func (r *run) settle(s state, reason error, ending Ending) {
	r.state = s
	r.final = Outcome[any]{Status: Exit, Reason: reason, Ending: ending, Task: &r.handle, RunTime: r.age()}
	if !r.failed {
		r.final.Cause = r.stopCause
	}
	if reason == nil {
		r.final.Status, r.final.Value = OK, r.value
	}
	if r.done != nil {
		close(r.done)
	}
	for w := r.watchers; w != nil; w = w.next {
		w.ends.push(w.index)
	}
	r.watchers = nil
}

// explain adds to the sealed reason that the task was stopped, if it was.
func (r *run) explain(reason error) error {
	if reason == nil || r.stopCause == nil || guard.Is(reason, r.stopCause) {
		return reason
	}
	return fmt.Errorf("%w: %w", r.stopCause, reason)
}

// drop ignores the result.
func (r *run) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped = true
}

func (r *run) now() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// over returns a channel that is closed when an outcome stands.
func (r *run) over() <-chan struct{} {
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

// outcome returns the outcome so far.
func (r *run) outcome() Outcome[any] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == running {
		return r.overdue()
	}
	return r.final
}

// overdue returns the outcome of a task that still runs.
func (r *run) overdue() Outcome[any] {
	return Outcome[any]{Status: Timeout, Reason: ErrTimeout, Task: &r.handle, RunTime: r.age()}
}

// age returns the time since the start.
func (r *run) age() time.Duration {
	if r.share == nil {
		return 0
	}
	return r.share.now() - r.started
}

// tell posts a message to the task's partition.
func (r *run) tell(msg any) {
	if r.share != nil {
		r.share.send(msg)
	}
}
