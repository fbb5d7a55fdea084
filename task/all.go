package task

import (
	"context"
	"fmt"
	"time"
)

// Late decides about the tasks that still run when [AwaitAll] or [YieldAll] returns. The set is
// closed.
type Late uint8

// The three values are those of on_timeout in Elixir's Task.yield_many.
const (
	// LateGoesOn leaves the task alone: it can be awaited, yielded, shut down or ignored.
	LateGoesOn Late = iota
	// LateIsIgnored ignores the task, as [Task.Ignore] does.
	LateIsIgnored
	// LateIsShutDown shuts the tasks down, all at once, as [Task.Shutdown] does, and waits for
	// their end.
	LateIsShutDown
)

// AllOptions configure [AwaitAll] and [YieldAll]. The zero value is ready to use.
type AllOptions struct {
	// Limit is how many outcomes YieldAll waits for; the other tasks are late. Zero or less, or
	// more than there are tasks, means all. AwaitAll always waits for all.
	Limit int

	// Late decides about the tasks that still run. The zero value is [LateGoesOn].
	Late Late

	// Grace is the grace of a shutdown, for [LateIsShutDown]. Zero means 5 s.
	Grace time.Duration
}

// AwaitError is the error of [AwaitAll] when a task has ended without a value.
type AwaitError struct {
	// Index is the index of the task among those that were awaited.
	Index int

	// Reason is the reason of its outcome.
	Reason error
}

// Error returns the index and the reason.
func (e *AwaitError) Error() string { return fmt.Sprintf("task %d: %v", e.Index, e.Reason) }

// Unwrap returns the reason.
func (e *AwaitError) Unwrap() error { return e.Reason }

// AwaitAll waits for all tasks and returns their values, in the order of tasks. If a task ends
// without a value, it returns an [*AwaitError] for the first that does. If ctx ends first, it
// returns ctx.Err(). In both cases there are no values, and opts.Late decides about the tasks that
// still run.
//
// It is Elixir's Task.await_many.
func AwaitAll[R any](ctx context.Context, tasks []*Task[R], opts AllOptions) ([]R, error) {
	values := make([]R, len(tasks))
	var failure error
	got := collect(tasks, ctx.Done(), nil, func(i int) bool {
		o := tasks[i].outcome()
		if o.Status == OK {
			values[i] = o.Value
			return true
		}
		failure = &AwaitError{Index: i, Reason: o.Reason}
		return false
	})
	switch {
	case failure == nil && got == len(tasks):
		return values, nil
	case failure == nil:
		failure = ctx.Err()
	}
	late(tasks, opts)
	return nil, failure
}

// YieldAll waits up to timeout for all tasks, or for opts.Limit of them, and returns their
// outcomes, in the order of tasks. Those that still run are a Timeout. opts.Late decides about
// these. Tasks that are shut down are an Exit, or OK if they returned a value meanwhile. As for
// [Task.Yield], zero or less does not wait, and [Forever] waits without limit.
//
// It is Elixir's Task.yield_many.
func YieldAll[R any](tasks []*Task[R], timeout time.Duration, opts AllOptions) []Outcome[R] {
	left := len(tasks)
	if opts.Limit > 0 {
		left = min(left, opts.Limit)
	}
	up, stop := alarm(timeout)
	defer stop()
	if left > 0 {
		collect(tasks, nil, up, func(int) bool {
			left--
			return left > 0
		})
	}
	late(tasks, opts)
	all := make([]Outcome[R], len(tasks))
	for i, t := range tasks {
		all[i] = t.outcome()
	}
	return all
}

// collect calls f with the index of each task that has an outcome, as they come, until f returns
// false. It returns the number of calls. An outcome that is there counts, even if a limit of time
// is over.
func collect[R any](tasks []*Task[R], done <-chan struct{}, up <-chan time.Time, f func(int) bool) (got int) {
	ends := newEnds()
	for i, t := range tasks {
		t.run.watch(ends, i)
		defer t.run.unwatch(ends)
	}
	for got < len(tasks) && ends.wait(done, up) {
		got++
		if !f(ends.take()) {
			break
		}
	}
	return got
}

// late treats the tasks that still run as opts require.
func late[R any](tasks []*Task[R], opts AllOptions) {
	switch opts.Late {
	case LateGoesOn:
	case LateIsIgnored:
		for _, t := range tasks {
			if !t.Over() {
				t.Ignore()
			}
		}
	case LateIsShutDown:
		for _, t := range tasks {
			t.Stop(ErrCancelled, opts.Grace)
		}
		for _, t := range tasks {
			t.Yield(Forever)
		}
	}
}
