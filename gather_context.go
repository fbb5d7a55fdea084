package gentask

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// batchKernel is the kernel of Batch: what functions make of it, with the task's own context at
// hand for the one who leads.
type batchKernel[J any] struct{ *functions[J, struct{}] }

// taskKey is the key for the context that a task began with, before any middleware.
type taskKey struct{}

// execute runs in the task.
func (k batchKernel[J]) execute(ctx context.Context, e *entry) (any, error) {
	return k.functions.execute(context.WithValue(ctx, taskKey{}, ctx), e)
}

// batchContext is what the function of a batch gets: the values of the leader's context, and the
// end of the leader's task. An end that the leader's middleware has set, such as a deadline of its
// message, is the leader's alone.
type batchContext struct {
	context.Context
	task context.Context
}

// Err is context.DeadlineExceeded when the time of the batch was over.
func (c *batchContext) Err() error {
	err := c.Context.Err()
	if err != nil && guard.Is(context.Cause(c.Context), task.ErrTimeout) {
		return context.DeadlineExceeded
	}
	return err
}

// Deadline is that of the task.
func (c *batchContext) Deadline() (deadline time.Time, ok bool) { return c.task.Deadline() }

// contextOf makes the context of a batch for the leader's; cancel ends it.
func contextOf(leader context.Context) (ctx *batchContext, cancel context.CancelCauseFunc) {
	own, ok := leader.Value(taskKey{}).(context.Context)
	if !ok {
		own = leader
	}
	all, cancel := context.WithCancelCause(context.WithoutCancel(leader))
	return &batchContext{Context: all, task: own}, cancel
}

// heed has the batch interrupted when the leader's task is told to stop, and ended when each of its
// members is. It returns how to withdraw that: false means that the batch is interrupted, or will
// be in a moment.
func (c *collector) heed(leader context.Context, g *group, ctx *batchContext) (withdraw func() bool) {
	all := context.AfterFunc(leader, func() { c.quit(g, context.Cause(leader)) })
	own := context.AfterFunc(ctx.task, func() {
		g.cause = context.Cause(ctx.task)
		close(g.interrupted)
		g.cancel(g.cause)
	})
	return func() bool {
		all()
		return own()
	}
}

// quit notes that a member of a batch that is being handled was told to stop. The last one takes
// the batch with it: nobody wants its results.
func (c *collector) quit(g *group, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.quits++; g.quits == len(g.members) {
		g.cancel(cause)
	}
}
