package task

import (
	"context"
	"math"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// Task is a handle to one run. Its methods are safe for concurrent use.
type Task[R any] struct{ run *run }

// Start runs f in a task and returns at once. The task's context derives from ctx; see [Go] for
// goroutines that f starts. It returns [ErrClosed], [ErrMaxChildren] or [ErrMaxAbandoned] if no
// task can be started. The caller must end its interest in the task: by Await, Yield until it is
// over, Shutdown, or Ignore.
func Start[R any](ctx context.Context, s *Supervisor, f func(context.Context) (R, error)) (*Task[R], error) {
	r := newTyped(ctx, f)
	if err := s.start(r); err != nil {
		return nil, err
	}
	return &Task[R]{run: r}, nil
}

func newTyped[R any](ctx context.Context, f func(context.Context) (R, error)) *run {
	return newRun(ctx, func(ctx context.Context) (any, error) { return f(ctx) })
}

// Run starts f in a task and waits for its outcome, for timeout or until ctx ends. Zero, or
// [Forever], is no limit but ctx. A negative timeout, as of a budget that is used up, is over at
// once. A task that can't be started is an Exit with the error of [Start].
//
// After a Timeout the task goes on. If ctx ends first, Run returns an Exit whose reason is the
// cause of ctx, and whose Ending is NotEnded. The task, whose context has ended too, is then
// stopped. It has 5 s to return before it is abandoned, and [Outcome.Task] shows its
// end.
func Run[R any](
	ctx context.Context, s *Supervisor, timeout time.Duration, f func(context.Context) (R, error),
) Outcome[R] {
	t, err := Start(ctx, s, f)
	if err != nil {
		return Outcome[R]{Status: Exit, Reason: err}
	}
	if timeout == 0 {
		timeout = Forever
	}
	o, ended := t.yield(ctx, timeout)
	if !ended || o.Status != Timeout {
		return o
	}
	cause := guard.Seal(context.Cause(ctx))
	t.Stop(cause, defaultGrace)
	o.Status, o.Reason, o.Cause = Exit, cause, cause
	return o
}

// ID returns a number that no other task of the same supervisor has.
func (t *Task[R]) ID() uint64 { return t.run.id }

// Over reports whether the task has ended or was abandoned, so that its outcome is final.
func (t *Task[R]) Over() bool { return t.run.now() != running }

// Await waits for the task and returns its value, or the reason why there is none. If ctx ends
// first it returns ctx.Err(), and the task goes on.
func (t *Task[R]) Await(ctx context.Context) (R, error) {
	select {
	case <-t.run.over():
	case <-ctx.Done():
	}
	o := t.outcome()
	switch o.Status {
	case OK:
		return o.Value, nil
	case Exit:
	case Timeout:
		o.Reason = ctx.Err()
	}
	return o.Value, o.Reason
}

// Yield waits up to timeout for the task; [Forever] waits without limit. Zero or less does not
// wait: it returns the outcome so far. Yield can be called again, after a Timeout and after the
// end.
func (t *Task[R]) Yield(timeout time.Duration) Outcome[R] {
	o, _ := t.yield(context.Background(), timeout)
	return o
}

// yield waits until ctx ends, at most, and reports whether it did.
func (t *Task[R]) yield(ctx context.Context, timeout time.Duration) (o Outcome[R], ended bool) {
	if timeout <= 0 || t.Over() {
		return t.outcome(), false
	}
	up, stop := alarm(timeout)
	defer stop()
	select {
	case <-t.run.over():
	case <-up:
	case <-ctx.Done():
		ended = true
	}
	return t.outcome(), ended
}

// alarm returns a channel that is ready after d, at once for zero or less, and a function that
// stops its timer.
func alarm(d time.Duration) (up <-chan time.Time, stop func() bool) {
	nothing := func() bool { return false }
	switch {
	case d == Forever:
		return nil, nothing
	case d <= 0:
		now := make(chan time.Time)
		close(now)
		return now, nothing
	}
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

// Forever is no limit, as a timeout or a grace.
const Forever = time.Duration(math.MaxInt64)

// Brutal as a grace abandons a task at once if it has not returned.
const Brutal = time.Duration(-1)

// Shutdown stops the task and returns its outcome. It ends the context with [ErrCancelled], waits
// up to grace, and then abandons the task, which is an Exit that wraps [ErrAbandoned]. Zero means
// 5 s, and [Forever] waits without limit. If the task returned a value meanwhile the
// outcome is OK. It is never a Timeout.
func (t *Task[R]) Shutdown(grace time.Duration) Outcome[R] {
	t.Stop(ErrCancelled, grace)
	return t.Yield(Forever)
}

// Stop stops the task as [Task.Shutdown] does, with a cause, for an actor: it doesn't block, and
// the owner gets the outcome. A nil cause means [ErrCancelled]. A second Stop replaces the grace,
// from then on, but not the cause. After the end Stop does nothing.
//
// [context.Cause] of the task's context returns the cause as it was given. Err returns
// [context.DeadlineExceeded] if the cause wraps that, as [ErrTimeout] does. Stop reads the text of
// cause, and the errors that it wraps, before it returns: methods of it that block, block the
// caller.
func (t *Task[R]) Stop(cause error, grace time.Duration) {
	if cause == nil {
		cause = ErrCancelled
	}
	if grace == 0 {
		grace = defaultGrace
	}
	t.run.tell(&shutdown{run: t.run, cause: guard.Seal(cause), given: cause, grace: grace})
}

// Extend gives the task more time from now. If the task still runs then and was not stopped, the
// owner gets a Timeout. The deadline of the task's context moves with it. [Forever] takes the limit
// away. Zero or less makes it a Timeout now.
func (t *Task[R]) Extend(more time.Duration) {
	t.run.tell(&extend{run: t.run, more: more})
}

// Adopt makes owner the owner of the task. If the task is over already, owner gets the outcome
// again.
func (t *Task[R]) Adopt(owner *actor.PID) {
	t.run.adopt(owner)
}

// Ignore ignores the result. The task goes on, and its result is dropped and counted.
func (t *Task[R]) Ignore() {
	t.run.drop()
	t.run.adopt(nil)
}

func (t *Task[R]) outcome() Outcome[R] {
	o := t.run.outcome()
	typed := typedOutcome[R](&o)
	typed.Task = t
	return typed
}
