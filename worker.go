package gentask

import (
	"context"
	"errors"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// kernel is a behaviour with its types taken off.
type kernel interface {
	execute(ctx context.Context, e *entry) (any, error)
	decide(e *entry, o *task.Outcome[any]) Decision
}

// worker is the transient actor that owns one delivery. It never runs risky code and never blocks: it starts the task, hears how it ended,
// and passes the decision on. Whatever else reaches its mailbox is ignored.
type worker struct {
	entry *entry
	kernel
	began bool
	// afterTimeout is what was decided when the task timed out. It counts when the task has been stopped without a value.
	afterTimeout Decision
}

func behaviorOf(k kernel) Behavior {
	return Behavior{prepare: func() starter {
		var next *entry // handed over to the producer, which the spawn calls at once, in the same goroutine
		props := actor.Eager(func() actor.Actor { return &worker{entry: next, kernel: k} })
		return func(e *entry) *actor.Props {
			next = e
			return props
		}
	}}
}

// Receive is one turn of the worker.
func (w *worker) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		if !w.began { // anybody can send one
			w.began = true
			w.begin(ctx)
		}
	case *task.Outcome[any]:
		if w.entry.owns(msg.Task) {
			w.outcome(ctx, msg)
		}
	case *stillborn:
		w.outcome(ctx, &task.Outcome[any]{Status: task.Exit, Reason: msg.reason})
	}
}

// stillborn says that the job was stopped before it began.
type stillborn struct{ reason error }

func (w *worker) begin(ctx actor.Context) {
	err := w.entry.run(ctx.Self(), func(c context.Context) (any, error) { return w.execute(c, w.entry) })
	switch {
	case err == nil:
	case refused(err):
		w.end(ctx, Release(), err)
	case errors.Is(err, ErrSessionLost):
		w.end(ctx, Release(), err) // lost before it began: nothing has run, and nothing is owed
	default: // by a message, for this is the supervisor's goroutine, which HandleResult must not hold up
		actor.Send(ctx.ActorSystem(), ctx.Self(), &stillborn{reason: err})
	}
}

// refused says that the task supervisor would not start a task: nothing has run, so it costs no attempt.
func refused(err error) bool {
	return errors.Is(err, task.ErrMaxAbandoned) || errors.Is(err, task.ErrMaxChildren) || errors.Is(err, task.ErrClosed)
}

// owns says whether t is the job's own task.
func (e *entry) owns(t *task.Task[any]) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t != nil && e.task == t
}

func (w *worker) outcome(ctx actor.Context, o *task.Outcome[any]) {
	switch o.Status {
	case task.OK:
		w.end(ctx, w.ask(o), nil)
	case task.Exit:
		if w.afterTimeout.kind != undecided && errors.Is(o.Reason, task.ErrTimeout) {
			w.entry.heard(&task.Outcome[any]{Status: task.Timeout, Reason: o.Reason, RunTime: o.RunTime})
			w.end(ctx, w.afterTimeout, o.Reason)
			return
		}
		w.end(ctx, w.ask(o), o.Reason)
	case task.Timeout:
		w.timeout(o)
	}
}

// timeout leaves the task running, or has it stopped: the next outcome is the last.
func (w *worker) timeout(o *task.Outcome[any]) {
	d := w.ask(o)
	if d.kind == decideWait {
		o.Task.Extend(d.after)
		return
	}
	w.afterTimeout = d
	w.entry.stop(task.ErrTimeout)
}

// ask is the one place where the user decides. A panic in it ends the worker, and the ledger decides.
func (w *worker) ask(o *task.Outcome[any]) Decision {
	w.entry.heard(o)
	d := w.decide(w.entry, o)
	w.entry.answered()
	return d
}

func (w *worker) end(ctx actor.Context, d Decision, reason error) {
	// Settled early, or lost: what follows is ignored.
	_ = w.entry.settle(d, reason)
	ctx.Stop(ctx.Self())
}

// refuse is the worker of a payload that can't be decoded.
func refuse(e *entry, reason error) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			e.heard(&task.Outcome[any]{Status: task.Exit})
			_ = e.settle(e.defaultDecision(task.Exit, reason, true), reason)
			ctx.Stop(ctx.Self())
		}
	})
}

// crash is the worker of a factory that failed: a start that failed.
func crash(reason error) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			actor.Exit(ctx, reason)
		}
	})
}

// contain runs f in a goroutine of its own and returns its error; a panic and a Goexit are errors too.
func contain(f func() error) error {
	failed := make(chan error, 1)
	go func() {
		var err error
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				err = reason
			}
			failed <- err
		}()
		err = f()
		returned = true
	}()
	return <-failed
}
