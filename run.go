package gentask

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/internal/cell"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// entryContext is an entry as the parent of its task's context. It is never cancelled.
type entryContext entry

type entryKey struct{}

// Deadline returns none.
func (*entryContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done returns nil: only the task's own context is cancelled.
func (*entryContext) Done() <-chan struct{} { return nil }

// Err returns nil.
func (*entryContext) Err() error { return nil }

// Value returns the entry if key is an entryKey.
func (c *entryContext) Value(key any) any {
	if _, ok := key.(entryKey); ok {
		return (*entry)(c)
	}
	return nil
}

// TaskListener returns the worker. It is called in run, by Spawn, for a task without an owner: that
// is one whose worker is the library's own.
func (c *entryContext) TaskListener() cell.Listener[*task.Outcome[any]] { return c.own }

// errTaskRunning is returned by run if the job already has a task.
var errTaskRunning = errors.New("gentask: a task of the job runs already")

// run starts the job's task, which belongs to spec.Owner, unless the job must stop.
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

// stop stops the job's task, or prevents it. The first cause counts, and starts the grace.
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

// decode decodes the body into the value that into points to.
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

// heard records an outcome of the task, shortly before HandleResult is called.
func (e *entry) heard(o *task.Outcome[any]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.runTime, e.deciding = o.Status, o.RunTime, max(time.Since(e.received), 1)
	e.note(o)
}

// ended returns how the task ended, or that its time is over. The status is zero before.
func (e *entry) ended() (task.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	switch {
	case e.status == task.Timeout:
		return e.status, task.ErrTimeout
	case e.status == 0 || e.task == nil:
		return e.status, nil
	}
	return e.status, e.task.Yield(0).Reason
}

// learn is heard for a user's worker, once its task is over. It must be called with mu held.
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

// note records how a run ended. The cause counts if it is the entry's own or a timeout. mu is held.
func (e *entry) note(o *task.Outcome[any]) {
	e.ending, e.told = o.Ending, nil
	switch {
	case o.Status == task.OK:
	case o.Cause == e.cause, o.Cause == task.ErrTimeout: //nolint:errorlint // itself; user's workers pass the second
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

// result describes the last run for the gates, as recorded so far.
func (e *entry) result() admission.Result {
	signal := e.signal()
	e.mu.Lock()
	defer e.mu.Unlock()
	return admission.Result{Signal: signal, Start: e.startedAt(), Took: e.runTime, Reason: e.reason}
}

// currentTask returns the job's last task; nil if there was none.
func (e *entry) currentTask() *task.Task[any] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.task
}

// leftBehind reports whether the job's last task was abandoned. Its goroutine may still run.
func (e *entry) leftBehind() bool {
	t := e.currentTask()
	return t != nil && t.Yield(0).Ending == task.Abandoned
}

// stopped reports whether the job must stop.
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

// owns reports whether t is the job's own task.
func (e *entry) owns(t *task.Task[any]) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t != nil && e.task == t
}

// facts returns the facts of the last run, which ended with s.
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

// mark adds facts that the library has seen in the job's task.
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

// toldCause returns the cause with which the job was stopped; nil if it wasn't.
func (e *entry) toldCause() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}

// watched returns f, wrapped to classify its error for the policies. Both are user code in a task.
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

// harmless reports whether an error is only the job's own, and so no failure for the policies.
func (e *entry) harmless(err error) bool {
	return e.marked(factUndecodable|factInterrupted) || decisionIn(err).settlesOtherwise() || !e.tellsOfTrouble(err)
}

// tellsOfTrouble returns the answer of Policy.Failure; true without one, or if the call fails.
func (e *entry) tellsOfTrouble(err error) bool {
	if e.cfg.Policy.Failure == nil {
		return true
	}
	yes, failed := guard.Call(context.Background(), e.cfg.hooks.failure, func(context.Context) (bool, error) {
		return e.cfg.Policy.Failure(err), nil
	})
	if failed != nil {
		e.log(slog.LevelError, "gentask: Policy.Failure failed", failureAttrs(failed)...)
		return true
	}
	return yes
}

func (e *entry) setUncounted(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uncounted = yes
}

// signal returns how the last run counts for the policies; Nothing if the library interrupted it.
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

// mayBeDone reports whether the job may be done. A first delivery is not, nor a copy for a retry.
func (e *entry) mayBeDone() bool {
	_, copied := e.delivery.Headers[queue.HeaderAttempts]
	return e.delivery.Redelivered && (!copied || e.item.Attempt > e.attemptsOfCopy()+1)
}

// looksUp records whether the task is looking up if the job is done.
func (e *entry) looksUp(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looking = on
}

// markDuplicate records that the job is not run because it is done.
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

// unlessDone returns a run that acknowledges the job if it is done, and otherwise calls f.
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

// knownDone reports whether the job is done. It must be called in the job's task.
func (e *entry) knownDone(ctx context.Context) bool {
	d := e.incarnation.instance.dedup
	done, ask := d.known(e.item.Identity)
	if !ask {
		return done
	}
	k := storeKey(e.delivery)
	done, err := guard.Call(ctx, e.cfg.hooks.done, func(c context.Context) (bool, error) { return d.store.Done(c, k) })
	if err != nil && !e.stopped() { // otherwise the job was stopped meanwhile
		e.storeFailed("Done", err)
	}
	return err == nil && done
}

// noteDone remembers a job as done or failed, when d is taken or late. It is called with mu held.
func (e *entry) noteDone(d Decision) {
	known := e.incarnation.instance.dedup
	switch {
	case known == nil:
	case d.kind != decideAck:
		if e.task != nil && !e.looking && !e.lost {
			known.noteFailed(e.item.Identity)
		}
	default:
		e.learn()
		switch {
		case e.status != task.OK || !known.noteDone(e.item.Identity):
		case e.lost:
			e.saveDone(func() {})
		default:
			e.unsaved = true
		}
	}
}

// saveDone stores in the background that the job is done, and then calls saved.
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
