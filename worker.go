package gentask

import (
	"context"
	"runtime"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// kernel is a behaviour without its types.
type kernel interface {
	execute(ctx context.Context, e *entry) (any, error)
	decide(e *entry, o *task.Outcome[any]) Decision
}

// worker is the transient actor that owns one delivery, for behaviours of which the library has
// both halves, Run and HandleResult. It never runs risky code and never blocks. It starts its task,
// receives the outcome, and passes the decision on. Any other message is ignored.
//
// The ledger supervises it. It is never restarted, so another supervisor would have nothing to
// decide. Workers made by Actor are restarted, and have a supervisor. The worker can therefore be a
// Cell: see docs/decisions/0015-workers-are-cells.md.
type worker struct {
	cell.Cell
	entry *entry
	kernel
	// afterTimeout is the decision that was taken when the task timed out; nil if it hasn't. It
	// counts if the task was then stopped without a value.
	afterTimeout *Decision
}

// notStarted is posted to a worker whose job was stopped before it began.
type notStarted struct{ reason error }

// startWorker starts the worker of an entry, and its task, on the ledger's goroutine. No user code
// runs there.
func startWorker(e *entry, k kernel) {
	w := &worker{entry: e, kernel: k}
	w.Start(e.incarnation.sys, e.incarnation.workerName, w)
	e.setWorker(w)
	err := e.run(task.Spec{Run: w.run})
	switch {
	case err == nil:
	case refused(err):
		w.end(Release(), err)
	default: // by a message, because HandleResult must not block the ledger
		w.Post(&notStarted{reason: err})
	}
}

// run is the function of the task.
func (w *worker) run(ctx context.Context) (any, error) {
	return hostedRun(ctx, w.entry.cfg.hooks.Host, w)
}

// TaskOutcome implements cell.Listener. The last outcome is processed on the task's goroutine,
// which has nothing else to do.
func (w *worker) TaskOutcome(o *task.Outcome[any], last bool) {
	if last {
		w.PostLast(o)
		return
	}
	w.Post(o)
}

// Receive handles one message.
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

// Ended informs the ledger that the worker has ended, and so of its decision.
func (w *worker) Ended(reason error) {
	if reason != nil && crashed(reason) {
		w.entry.cfg.hooks.handle.CountFailed()
	}
	w.entry.workerEnded()
	w.entry.incarnation.tell((*workerGone)(w))
}

// crashed reports whether err is a panic or a Goexit.
func crashed(err error) bool { return has[*actor.PanicError](err) || guard.Is(err, actor.ErrGoexit) }

// refused reports whether the task supervisor has refused to start a task. Nothing has run then, so
// it costs no attempt.
func refused(err error) bool {
	return guard.Is(err, task.ErrMaxAbandoned) || guard.Is(err, task.ErrClosed)
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

// timeout extends the task, or stops it: the next outcome is the last.
func (w *worker) timeout(o *task.Outcome[any]) {
	d := w.ask(o)
	if d.kind == decideExtend {
		o.Task.Extend(d.after)
		return
	}
	w.afterTimeout = &d
	w.entry.stop(task.ErrTimeout)
}

// ask is the only place where the user decides. If it panics the worker ends, and the ledger
// decides.
func (w *worker) ask(o *task.Outcome[any]) Decision {
	w.entry.heard(o)
	defer w.entry.answered()
	if w.entry.isDuplicate() {
		return Ack() // that is how it was settled
	}
	if d := w.entry.aside(); d.kind != undecided {
		return d
	}
	return hostedAsk(w.entry.cfg.hooks.Host, w, o)
}

func (w *worker) end(d Decision, reason error) {
	// If it was settled early, or lost, d is ignored.
	_ = w.entry.decide(d, reason)
	w.Exit(nil)
}

// refuse returns the worker of a payload that can't be decoded.
func refuse(e *entry, reason error) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			e.heard(&task.Outcome[any]{Status: task.Exit, Ending: task.Returned})
			_ = e.settle(e.defaultDecision(task.Exit, reason, true), reason)
			ctx.Stop(ctx.Self())
		}
	})
}

// crash returns the worker of a factory that failed. It fails to start.
func crash(reason error) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			actor.Exit(ctx, reason)
		}
	})
}

// hostedRun runs a job, in its task. It has a stack frame of its own so that a Stop in it is
// recognized.
//
//go:noinline
func hostedRun(ctx context.Context, h *guard.Host, w *worker) (any, error) {
	v, err := w.execute(ctx, w.entry)
	runtime.KeepAlive(h) // otherwise a traceback might have lost it
	return v, err
}

// hostedAsk calls HandleResult.
//
//go:noinline
func hostedAsk(h *guard.Host, w *worker, o *task.Outcome[any]) Decision {
	d := w.decide(w.entry, o)
	runtime.KeepAlive(h)
	return d
}
