package task

import (
	"context"
	"time"

	"github.com/gentask/gentask/actor"
)

// Task is a handle to one run. Its methods are safe for concurrent use.
type Task[R any] struct{ run *run }

// Start runs f in a task and returns at once. The task's context derives from ctx; see Go for goroutines that f starts. It returns ErrClosed,
// ErrMaxChildren or ErrMaxAbandoned when no task can be started. The caller has to settle with the task in the end: Await, Yield until it is
// over, Shutdown, or Ignore.
func Start[R any](ctx context.Context, s *Supervisor, f func(context.Context) (R, error)) (*Task[R], error) {
	return StartNamed(ctx, s, "", f)
}

// StartNamed is Start with a name for listings.
func StartNamed[R any](ctx context.Context, s *Supervisor, name string, f func(context.Context) (R, error)) (*Task[R], error) {
	r := newTyped(ctx, f)
	r.name = name
	if err := s.start(r); err != nil {
		r.cancel(err)
		return nil, err
	}
	return &Task[R]{run: r}, nil
}

func newTyped[R any](ctx context.Context, f func(context.Context) (R, error)) *run {
	return newRun(ctx, func(ctx context.Context) (any, error) { return f(ctx) })
}

// Run starts f in a task and waits for its outcome, up to timeout; zero or less waits without limit. After a Timeout the task goes on. A task
// that can't be started is an Exit with the error of Start.
func Run[R any](ctx context.Context, s *Supervisor, timeout time.Duration, f func(context.Context) (R, error)) Outcome[R] {
	t, err := Start(ctx, s, f)
	if err != nil {
		return Outcome[R]{Status: Exit, Reason: err}
	}
	return t.Yield(timeout)
}

// ID returns a number that no other task of the same supervisor has.
func (t *Task[R]) ID() uint64 { return t.run.id }

// Over says whether the task has an outcome that lasts: it has ended, or was abandoned.
func (t *Task[R]) Over() bool { return t.run.now() != running }

// Await waits for the task and returns its value, or the reason why there is none. When ctx ends first it returns ctx.Err(), and the task
// goes on.
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

// Yield waits up to timeout for the task; zero or less waits without limit. It can be called again, after a Timeout and after the end.
func (t *Task[R]) Yield(timeout time.Duration) Outcome[R] {
	if timeout <= 0 {
		<-t.run.over()
		return t.outcome()
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-t.run.over():
	case <-timer.C:
	}
	return t.outcome()
}

// Brutal as a grace abandons a task at once if it has not returned.
const Brutal = time.Duration(-1)

// Shutdown stops the task and returns how it ended: it cancels the context with ErrCancelled, waits up to grace, and then abandons it, which
// is an Exit that wraps ErrAbandoned. Zero means DefaultGrace. A value that the task returned meanwhile is OK. It is never a Timeout.
func (t *Task[R]) Shutdown(grace time.Duration) Outcome[R] {
	t.Stop(ErrCancelled, grace)
	return t.Yield(0)
}

// Stop does what Shutdown does, with a cause, for an actor: it doesn't block, and the owner gets the outcome. A nil cause means ErrCancelled.
// A second Stop replaces the grace, from then on, but not the cause. After the end Stop does nothing.
func (t *Task[R]) Stop(cause error, grace time.Duration) {
	if cause == nil {
		cause = ErrCancelled
	}
	if grace == 0 {
		grace = DefaultGrace
	}
	t.run.tell(&shutdown{run: t.run, cause: cause, grace: grace})
}

// Extend makes the owner get a Timeout after more time from now, if the task still runs then and was not stopped.
func (t *Task[R]) Extend(more time.Duration) {
	t.run.tell(&extend{run: t.run, more: more})
}

// Adopt makes owner the one who gets the outcome. If the task is over already, owner gets the outcome once more.
func (t *Task[R]) Adopt(owner *actor.PID) {
	t.run.adopt(owner)
}

// Ignore says that nobody wants the result. The task goes on; what it returns is dropped and counted.
func (t *Task[R]) Ignore() {
	t.run.drop()
	t.run.adopt(nil)
}

func (t *Task[R]) outcome() Outcome[R] {
	o := t.run.outcome()
	return As[R](&o)
}
