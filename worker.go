package gentask

import (
	"context"
	"runtime"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// kernel is a behaviour with its types taken off.
type kernel interface {
	execute(ctx context.Context, e *entry) (any, error)
	decide(e *entry, o *task.Outcome[any]) Decision
}

// worker is the transient actor that owns one delivery, for behaviours of which the library has both halves, Run and HandleResult. It never runs
// risky code and never blocks: it has its task started, hears how it ended, and passes the decision on. Whatever else reaches its mailbox is
// ignored.
//
// The ledger supervises it: it is never started again, so there is nothing that another supervisor could decide. (Those of Actor are, and have
// one.) That is why it can be a Cell: see docs/decisions/0015-workers-are-cells.md.
type worker struct {
	cell.Cell
	entry *entry
	kernel
	// afterTimeout is what was decided when the task timed out; nil if it hasn't. It counts when the task has been stopped without a value.
	afterTimeout *Decision
}

// notStarted says that the job was stopped before it began.
type notStarted struct{ reason error }

// startWorker starts the worker of an entry, and its task, on the ledger's goroutine. Nothing of the user's runs there.
func startWorker(e *entry, k kernel) {
	w := &worker{entry: e, kernel: k}
	w.Start(e.incarnation.sys, e.incarnation.workerName, w)
	e.setWorker(w)
	err := e.run(task.Spec{Run: w.run})
	switch {
	case err == nil:
	case refused(err):
		w.end(Release(), err)
	case err == ErrSessionLost: //nolint:errorlint // the cause itself
		w.end(Release(), err) // lost before it began: nothing has run, and nothing is owed
	default: // by a message, for HandleResult must not hold up the ledger
		w.Post(&notStarted{reason: err})
	}
}

// run is what the task runs.
func (w *worker) run(ctx context.Context) (any, error) {
	return hostedRun(ctx, w.entry.cfg.hooks.Host, w)
}

// TaskOutcome implements cell.Listener. After the task's end the outcome is processed on its goroutine, which has nothing else to do.
func (w *worker) TaskOutcome(o *task.Outcome[any], last bool) {
	if last {
		w.PostLast(o)
		return
	}
	w.Post(o)
}

// Receive is one turn of the worker.
func (w *worker) Receive(msg any) {
	switch msg := msg.(type) {
	case *task.Outcome[any]:
		if w.entry.owns(msg.Task) {
			w.outcome(msg)
		}
	case *notStarted:
		w.outcome(&task.Outcome[any]{Status: task.Exit, Reason: msg.reason, Cause: msg.reason})
	}
}

// Ended tells the ledger that the worker is gone, and with it, what it has decided.
func (w *worker) Ended(reason error) {
	if reason != nil && crashed(reason) {
		w.entry.cfg.hooks.handle.CountFailed()
	}
	w.entry.returnedAfterAll()
	w.entry.incarnation.tell((*workerGone)(w))
}

// crashed reports whether err is a panic or a Goexit.
func crashed(err error) bool { return has[*actor.PanicError](err) || guard.Is(err, actor.ErrGoexit) }

// refused says that the task supervisor would not start a task: nothing has run, so it costs no attempt.
func refused(err error) bool {
	return guard.Is(err, task.ErrMaxAbandoned) || guard.Is(err, task.ErrMaxChildren) || guard.Is(err, task.ErrClosed)
}

func (w *worker) outcome(o *task.Outcome[any]) {
	switch o.Status {
	case task.OK:
		w.end(w.ask(o), nil)
	case task.Exit:
		if w.afterTimeout != nil && o.Cause == task.ErrTimeout { //nolint:errorlint // the cause itself
			late := *o
			late.Status = task.Timeout
			w.entry.heard(&late)
			w.end(*w.afterTimeout, o.Reason)
			return
		}
		w.end(w.ask(o), o.Reason)
	case task.Timeout:
		w.timeout(o)
	}
}

// timeout leaves the task running, or has it stopped: the next outcome is the last.
func (w *worker) timeout(o *task.Outcome[any]) {
	d := w.ask(o)
	if d.kind == decideExtend {
		o.Task.Extend(d.after)
		return
	}
	w.afterTimeout = &d
	w.entry.stop(task.ErrTimeout)
}

// ask is the one place where the user decides. A panic in it ends the worker, and the ledger decides.
func (w *worker) ask(o *task.Outcome[any]) Decision {
	w.entry.heard(o)
	if w.entry.isDuplicate() {
		return Ack() // it has been settled so
	}
	if d := w.entry.aside(); d.kind != undecided {
		w.entry.answered()
		return d
	}
	d := hostedAsk(w.entry.cfg.hooks.Host, w, o)
	w.entry.answered()
	return d
}

func (w *worker) end(d Decision, reason error) {
	// Settled early, or lost: what follows is ignored.
	_ = w.entry.decide(d, reason)
	w.Exit(nil)
}

// refuse is the worker of a payload that can't be decoded.
func refuse(e *entry, reason error) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			e.heard(&task.Outcome[any]{Status: task.Exit, Ending: task.Returned})
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

// hostedRun runs a job, in its task. It is a frame of its own so that a Stop in it is recognized.
//
//go:noinline
func hostedRun(ctx context.Context, h *guard.Host, w *worker) (any, error) {
	v, err := w.execute(ctx, w.entry)
	runtime.KeepAlive(h) // or else a traceback might not know it any more
	return v, err
}

// hostedAsk asks HandleResult.
//
//go:noinline
func hostedAsk(h *guard.Host, w *worker, o *task.Outcome[any]) Decision {
	d := w.decide(w.entry, o)
	runtime.KeepAlive(h)
	return d
}
