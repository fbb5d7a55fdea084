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
	"github.com/gentask/gentask/internal/guard"
)

// run is one task: what it works on, and how it stands. mu decides between those who may end it: the function that returns, and the
// supervisor that abandons it. A value that is there before the stop takes effect wins.
type run struct {
	actor.Routine

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
	limit     atomic.Int64  // when the timeout is due, since the epoch of the share; zero: never
	killGrace time.Duration // not zero: the timeout shuts the task down with it, instead of telling the owner

	mu        sync.Mutex
	state     state
	dropped   bool          // nobody wants the result
	stopping  bool          // was told to stop, and has its grace; the partition's
	retired   bool          // has an outcome; the share's, like what comes last
	failed    bool          // stopCause is a failure of its own
	crashed   bool          // fn did not return; the task's goroutine's
	owner     *actor.PID    // nil: nobody is told, they wait on done
	listener  Listener      // takes the place of owner, if not nil
	stopCause error         // sealed; nil: it was not told to stop
	final     Outcome[any]  // doesn't change any more once the task runs no more
	done      chan struct{} // made by the first who waits
	watchers  *watcher      // are told when the outcome stands

	unanswered time.Duration // since when the owner knows of a timeout and has not answered; zero if it has, or doesn't

	wait       wait
	prev, next *run
}

type state uint8

const (
	running state = iota
	finished
	abandoned
)

// errBody stands for the failure of the task's own function among those of its goroutines: the first failure is the reason.
var errBody = errors.New("task: function failed")

func newRun(parent context.Context, fn func(context.Context) (any, error)) *run {
	r := &run{fn: fn}
	r.handle.run = r
	r.scope.parent = parent // nil: none
	return r
}

// Run is the body of the routine. Goroutines that belong to the task end before it does. Stack
// finds the task by this frame.
//
// The error is sealed here, on the task's goroutine: what its methods do, the task does. They may
// panic, exit the goroutine, or block until the task is abandoned.
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
	runtime.KeepAlive(r) // or else a traceback might not know the receiver any more
	return err
}

// bodyFailed tells the goroutines of the task that its function has failed.
func (r *run) bodyFailed() {
	r.group.fail(errBody, false) // whether it has crashed is known from the run
	r.scope.end(canceled, ErrCancelled)
}

// Cancel is called when somebody stops the routine by its PID.
func (r *run) Cancel() { r.stop(actor.ErrKilled, actor.ErrKilled) }

// stop ends the context. The first cause counts. It comes twice: sealed for what is read here, and
// as it was given for context.Cause.
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

// note keeps the first reason to stop; own is a failure of the task's own.
func (r *run) note(sealed error, own bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopCause == nil && r.state == running {
		r.stopCause, r.failed = sealed, own
	}
}

// Ended is called as the last thing, on a goroutine that has nothing else to do: so the owner hears
// the outcome on it. Nothing would recover a panic, so it calls no method of the user's: reason is
// sealed. A handle can outlive the task; what it worked on must not.
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

// tellTimeout tells the owner that the task runs on past its time, unless it doesn't. The message is posted with mu held, so that it can't come
// after the outcome.
func (r *run) tellTimeout() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == running {
		r.unanswered = r.share.now() + 1
		o := r.overdue()
		r.post(&o)
	}
}

// tellFinal tells the owner how the task ended, once more if need be.
func (r *run) tellFinal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running {
		r.post(&r.final)
	}
}

// post is called with mu held.
func (r *run) post(o *Outcome[any]) {
	switch {
	case r.listener != nil:
		hear(r.listener, o, false)
	case r.owner != nil:
		actor.Send(r.share.sys, r.owner, o)
	}
}

// tellLast tells the owner how the task ended, on the task's goroutine.
func (r *run) tellLast() {
	r.mu.Lock()
	owner, listener := r.owner, r.listener
	r.mu.Unlock()
	switch {
	case listener != nil:
		hear(listener, &r.final, true)
	case owner != nil:
		actor.SendLast(r.share.sys, owner, &r.final)
	}
}

// hear recovers a panic of the listener, which would end the process, or the partition.
func hear(l Listener, o *Outcome[any], last bool) {
	defer func() { _ = recover() }()
	l.Hear(o, last)
}

// adopt gives the task another owner, or none. If it has ended before, the new one is told now.
func (r *run) adopt(owner *actor.PID) {
	r.mu.Lock()
	r.owner, r.listener = owner, nil
	r.mu.Unlock()
	r.tellFinal()
}

// abandon gives the task up, and says whether it did: a task that has finished meanwhile has an
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

// settle is the one way to an outcome. It is called with mu held, once, when the task's place is
// free again.
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

// explain says in the reason, which is sealed, that the task was stopped, if it was.
func (r *run) explain(reason error) error {
	if reason == nil || r.stopCause == nil || guard.Is(reason, r.stopCause) {
		return reason
	}
	return fmt.Errorf("%w: %w", r.stopCause, reason)
}

// drop says that nobody wants the result any more.
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

// outcome says how the task stands.
func (r *run) outcome() Outcome[any] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == running {
		return r.overdue()
	}
	return r.final
}

// overdue is the outcome of a task that still runs.
func (r *run) overdue() Outcome[any] {
	return Outcome[any]{Status: Timeout, Reason: ErrTimeout, Task: &r.handle, RunTime: r.age()}
}

// age is how long ago the task was started.
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
