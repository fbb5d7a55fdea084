package batching

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// taskKey is the key of the context that a task began with.
type taskKey struct{}

// WithTask returns ctx, the context that a task began with, so that [Set.Join] finds it below the
// contexts that derive from it. If the context of Join doesn't derive from one that WithTask has
// returned, it is taken for the task's.
func WithTask(ctx context.Context) context.Context {
	return context.WithValue(ctx, taskKey{}, ctx)
}

// runContext is the context of a function: it has the values of the leader's context, and ends with
// the leader's task. An end that was derived for the leader, such as a deadline of its message, is
// the leader's alone.
type runContext struct {
	context.Context
	task context.Context
}

// newContext returns the context of a function for that of its leader. The caller must call cancel.
func newContext(leader context.Context) (run *runContext, cancel context.CancelCauseFunc) {
	own, ok := leader.Value(taskKey{}).(context.Context)
	if !ok {
		own = leader
	}
	all, cancel := context.WithCancelCause(context.WithoutCancel(leader))
	return &runContext{Context: all, task: own}, cancel
}

// Err returns [context.DeadlineExceeded] when the time of the batch was over.
func (c *runContext) Err() error {
	if guard.Is(context.Cause(c.Context), task.ErrTimeout) {
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

// Deadline returns that of the task.
func (c *runContext) Deadline() (deadline time.Time, ok bool) { return c.task.Deadline() }
