package gentask

import (
	"context"
	"errors"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// entryContext is the entry as the context that its task's derives from: never cancelled, and all that it holds is the entry.
type entryContext entry

type entryKey struct{}

// Deadline returns none.
func (*entryContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done returns nil: the task's own context is what is cancelled.
func (*entryContext) Done() <-chan struct{} { return nil }

// Err returns nil.
func (*entryContext) Err() error { return nil }

// Value returns the entry for its key.
func (c *entryContext) Value(key any) any {
	if _, ok := key.(entryKey); ok {
		return (*entry)(c)
	}
	return nil
}

// TaskListener returns the worker, if it is one of the library's own. The spawn of the task calls it, in
// run.
func (c *entryContext) TaskListener() cell.Listener[*task.Outcome[any]] {
	if c.own == nil {
		return nil
	}
	return c.own
}

// errTaskRunning is returned by run for a job that has a task already.
var errTaskRunning = errors.New("gentask: a task of the job runs already")

// run starts the job's task as spec says, which has its owner, unless the job is to stop.
func (e *entry) run(spec task.Spec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.theirs = spec.Owner
	switch {
	case e.cause != nil:
		return e.cause
	case e.task != nil && !e.task.Over():
		return errTaskRunning
	}
	spec.Run, spec.Name = e.unlessDone(e.watched(spec.Run)), e.delivery.ID
	spec.Timeout, spec.Parent = e.cfg.taskTimeout(), (*entryContext)(e)
	e.marks, e.ending, e.told = 0, 0, nil
	t, err := e.incarnation.tasks.Spawn(spec)
	if err != nil {
		if guard.Is(err, task.ErrClosed) {
			e.incarnation.tell(&tasksEnding{})
		}
		return err
	}
	if e.task, e.status = t, 0; e.receiver != nil {
		e.receiver.ran = time.Since(e.received)
	}
	return nil
}

// stop makes the job end: its task is stopped, or never started. The first reason counts, and the grace runs from there.
func (e *entry) stop(cause error) {
	e.mu.Lock()
	first, t := e.cause == nil, e.task
	if first {
		e.cause = cause
		if e.receiver != nil {
			e.receiver.stopped = time.Since(e.received)
		}
	}
	e.mu.Unlock()
	if first && t != nil {
		t.Stop(cause, e.cfg.Grace)
	}
}

// decode turns the body into what into points to.
func (e *entry) decode(into any) error {
	return e.cfg.Decode(&e.delivery.Message, into)
}

func (e *entry) keepPayload(payload any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.payload = payload
}

func (e *entry) keptPayload() any {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.payload
}

// heard notes how the task ended, or that it did not in time, for the event at the end, and that HandleResult is about to be asked.
func (e *entry) heard(o *task.Outcome[any]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.runTime, e.deciding = o.Status, o.RunTime, max(time.Since(e.received), 1)
	e.note(o)
}

// ended says how the task ended, as far as that has been heard; zero if it hasn't.
func (e *entry) ended() (task.Status, error) {
	e.mu.Lock()
	s, t := e.status, e.task
	e.mu.Unlock()
	switch {
	case s == task.Timeout:
		return s, task.ErrTimeout
	case t == nil || !t.Over():
		return s, nil
	}
	return s, t.Yield(0).Reason
}

// learn notes what heard does for a worker of the user's, which hears the outcome itself, when its task is over. It is called with mu held.
func (e *entry) learn() {
	if e.status != 0 || e.task == nil || !e.task.Over() {
		return
	}
	o := e.task.Yield(0)
	e.status, e.runTime = o.Status, o.RunTime
	if e.note(&o); e.told == task.ErrTimeout { //nolint:errorlint // the cause itself
		e.status = task.Timeout
	}
}

// note keeps what an outcome says about the way in which the run ended. A cause counts if it is that of the
// entry; workers of the user's stop their tasks themselves when the time is over. It is called with mu held.
func (e *entry) note(o *task.Outcome[any]) {
	e.ending, e.told = o.Ending, nil
	switch {
	case o.Status == task.OK, o.Cause == nil:
	case o.Cause == e.cause, o.Cause == task.ErrTimeout: //nolint:errorlint // the cause itself
		e.told = o.Cause
	}
	e.abandoned = e.abandoned || o.Ending == task.Abandoned
}

func (e *entry) wasAbandoned() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	return e.abandoned
}

// result describes the last run for the gates, as far as it has ended.
func (e *entry) result() admission.Result {
	signal := e.signal()
	e.mu.Lock()
	defer e.mu.Unlock()
	return admission.Result{Signal: signal, Start: e.startedAt(), Took: e.runTime, Reason: e.reason}
}

// currentTask returns the job's task; nil if it has had none.
func (e *entry) currentTask() *task.Task[any] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.task
}

// leftBehind reports whether the job's last task was abandoned: its goroutine may still run.
func (e *entry) leftBehind() bool {
	t := e.currentTask()
	return t != nil && t.Over() && t.Yield(0).Ending == task.Abandoned
}

// stopped says whether the job is to stop.
func (e *entry) stopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause != nil
}

// unfinished returns the job's task if it has not ended.
func (e *entry) unfinished() *task.Task[any] {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.task == nil || e.task.Over() {
		return nil
	}
	return e.task
}

// begun says whether a task of the job was started, or a decision taken.
func (e *entry) begun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.task != nil || e.decision.kind != undecided
}

// owns says whether t is the job's own task.
func (e *entry) owns(t *task.Task[any]) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t != nil && e.task == t
}

// facts returns those of the last run, which ended with s.
func (e *entry) facts(s task.Status) facts {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	f := e.marks | factsOfEnding(e.ending) | factsOfCause(e.told)
	if s == task.Timeout {
		f |= factTimedOut
	}
	return f
}

// mark notes what the library has seen in the job's task.
func (e *entry) mark(f facts) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks |= f
}

func (e *entry) marked(f facts) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.marks.has(f)
}

// toldCause returns why the job was told to stop; nil if it wasn't.
func (e *entry) toldCause() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}

// watched is f with a look at the error that it returns, for the policies that judge by failures. It runs in the task: Policy.Failure is risky
// code like f.
func (e *entry) watched(f func(context.Context) (any, error)) func(context.Context) (any, error) {
	p := &e.cfg.Policy
	if !p.Breaker.on() && !p.KeyBreaker.on() && !p.Adaptive.on() {
		return f
	}
	return func(ctx context.Context) (any, error) {
		e.setUncounted(false)
		v, err := f(ctx)
		if err != nil {
			e.setUncounted(e.harmless(err))
		}
		return v, err
	}
}

// harmless reports whether the error is about the job alone, and not about what jobs depend on.
func (e *entry) harmless(err error) bool {
	return e.marked(factUndecodable|factInterrupted) || decisionIn(err).settlesOtherwise() || !e.tellsOfTrouble(err)
}

// tellsOfTrouble asks Policy.Failure. If that does not return, the error tells of trouble.
func (e *entry) tellsOfTrouble(err error) bool {
	if e.cfg.Policy.Failure == nil {
		return true
	}
	yes, failed := guard.Call(context.Background(), e.cfg.hooks.failure, func(context.Context) (bool, error) {
		return e.cfg.Policy.Failure(err), nil
	})
	if failed != nil {
		e.cfg.Logger.Error("gentask: Policy.Failure failed", "consumer", e.cfg.Name, "id", e.delivery.ID,
			"reason", failed, "stack", actor.Stack(failed))
		return true
	}
	return yes
}

func (e *entry) setUncounted(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uncounted = yes
}

// signal says what the last run of the job tells of what jobs depend on: nothing, if it was interrupted by us.
func (e *entry) signal() breaker.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	if e.task == nil {
		return breaker.Nothing
	}
	switch e.status {
	case task.OK:
		return breaker.Good
	case task.Exit, task.Timeout:
		if !e.uncounted && (e.cause == nil || e.cause == task.ErrTimeout) { //nolint:errorlint // the cause itself
			return breaker.Bad
		}
	}
	return breaker.Nothing
}

// mayBeDone says that the delivery may be that of a job which was done. One that is delivered for the first time is not, nor is a copy: whoever made
// it has given the message back, to be tried again.
func (e *entry) mayBeDone() bool {
	_, copied := e.delivery.Headers[queue.HeaderAttempts]
	return e.delivery.Redelivered && (!copied || e.item.Attempt > e.attemptsOfCopy()+1)
}

// looksUp notes that it is being found out whether the job is done, or that it isn't.
func (e *entry) looksUp(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looking = on
}

// markDuplicate notes that the job is not run, because it is done.
func (e *entry) markDuplicate() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.duplicate, e.uncounted = true, true
}

func (e *entry) isDuplicate() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.duplicate
}

// unlessDone returns a run that only acknowledges the job if it is done, and otherwise calls f.
func (e *entry) unlessDone(f func(context.Context) (any, error)) func(context.Context) (any, error) {
	if e.incarnation.instance.dedup == nil || !e.mayBeDone() {
		return f
	}
	return func(ctx context.Context) (any, error) {
		e.looksUp(true)
		if !e.knownDone(ctx) {
			e.looksUp(false)
			return f(ctx)
		}
		e.markDuplicate()
		_ = e.settle(Ack(), ErrDuplicate) // or lost: then it comes again
		return nil, ErrDuplicate
	}
}

// knownDone reports whether the job is done. It runs in the job's task.
func (e *entry) knownDone(ctx context.Context) bool {
	d := e.incarnation.instance.dedup
	done, ask := d.known(e.item.Identity)
	if !ask {
		return done
	}
	key := storeKey(e.delivery)
	done, err := guard.Call(ctx, e.cfg.hooks.done, func(ctx context.Context) (bool, error) { return d.store.Done(ctx, key) })
	if err != nil && !e.stopped() { // else it was told to stop meanwhile
		e.storeFailed("Done", err)
	}
	return err == nil && done
}

// noteDone remembers that the job is done, if d says so after a run that was. One that is to be tried again
// is not. It is called with mu held, when d is taken, or too late.
func (e *entry) noteDone(d Decision) {
	known := e.incarnation.instance.dedup
	switch {
	case known == nil || e.duplicate:
	case d.kind != decideAck:
		if e.task != nil && !e.looking && !e.lost {
			known.noteFailed(e.item.Identity)
		}
	default:
		if e.learn(); e.status != task.OK || !known.noteDone(e.item.Identity) {
			return
		}
		if e.lost {
			e.saveDone(func() {})
			return
		}
		e.unsaved = true
	}
}

// saveDone tells the store that the job is done, and then calls saved.
func (e *entry) saveDone(saved func()) {
	d := e.incarnation.instance.dedup
	d.wg.Go(func() {
		defer saved()
		key := storeKey(e.delivery)
		_, err := guard.Call(context.Background(), e.cfg.hooks.remember, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, d.store.Remember(ctx, key)
		})
		if err != nil {
			e.storeFailed("Remember", err)
		}
	})
}
