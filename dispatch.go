package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// fill gives what waits to workers, as long as there are free slots.
func (l *ledger) fill(ctx actor.Context) {
	l.lookAtSuspect()
	l.lookAtBreaker(ctx)
	for l.lineup.len() > 0 && l.busy.len() < l.slots() && (l.intake() || l.suspectReady()) && l.incarnation != nil {
		now := time.Now()
		e, again := l.lineup.next(now)
		if e == nil {
			l.setAlarm(ctx, again)
			return
		}
		l.dispatch(e, now)
	}
}

// intake says whether the consumer takes work.
func (l *ledger) intake() bool { return l.willing() && !l.instance.limits.suspects.busy() }

// willing says whether it would, if there were no suspect.
func (l *ledger) willing() bool {
	return !l.paused && !l.saturated() && !l.breakerOpen() && l.drain == nil
}

// saturated says that so many abandoned tasks still run, or calls of HandleResult hang, that no more may be risked.
func (l *ledger) saturated() bool {
	return l.cfg.MaxAbandoned != never && l.instance.tasks.Abandoned() >= l.cfg.MaxAbandoned || l.cfg.hooks.handle.Hung() >= guard.MaxHung
}

// admit lines a delivery up, unless this node can't do it, or it has no attempt left.
func (l *ledger) admit(e *entry) {
	if l.recall(e) || l.refuseForeign(e) || e.early() {
		return
	}
	if l.cfg.spent(e.attempt) {
		reason := &AttemptsError{Attempt: e.attempt, Max: l.cfg.MaxAttempts}
		_ = e.settle(DeadLetter(reason), reason)
		return
	}
	l.lineup.push(e)
}

// dispatch gives an entry to a worker of its own.
func (l *ledger) dispatch(e *entry, now time.Time) {
	e.started, l.lastProgress = now, now
	e.busy = true
	l.busy.add(e)
	l.lineup.begun(e, now)
	l.count()
	if k := l.behaviorOf(e).kernel; k != nil {
		startWorker(e, k)
		return
	}
	actor.Send(l.sys, l.workers, &supervision.StartRequest{Spec: l.childSpec(e)})
}

// behaviorOf is the entry's: see Mux.
func (l *ledger) behaviorOf(e *entry) Behavior { return l.behavior.of(&e.delivery.Message) }

// stopWorker ends the worker of an entry, as soon as it can be ended.
func (l *ledger) stopWorker(e *entry, reason error) {
	if e.own != nil {
		e.own.Exit(reason)
		return
	}
	actor.Send(l.sys, l.workers, &supervision.TerminateRequest{ID: e.receiver.id})
}

// childSpec is that of a worker of the user's. It is transient: a crash starts it anew, but never while its old task still runs.
func (l *ledger) childSpec(e *entry) supervision.ChildSpec {
	props := l.behaviorOf(e).props
	id := l.workerID()
	e.setReceiver(id)
	return supervision.ChildSpec{
		ID: id, Tag: e,
		Props: func() *actor.Props {
			e.spawned()
			return props(e)
		},
		Restart:       supervision.Transient,
		BeforeRestart: e.beforeRestart,
		Notify:        l.self,
	}
}

// beforeRestart runs in the worker supervisor.
func (e *entry) beforeRestart(reason error, resume func(bool)) {
	e.incarnation.tell(&restarting{entry: e, reason: reason, resume: resume})
}

// restartingWorker lets a crashed worker start again, when it has a job still and its old task has ended.
func (l *ledger) restartingWorker(msg *restarting) {
	e := msg.entry
	switch t := e.unfinished(); {
	case !e.busy || e.decided() || e.stopped():
		msg.resume(false)
	case t == nil && e.leftBehind():
		msg.resume(false)
	case t == nil:
		l.restartSoon(msg)
	default:
		l.adopt(e, t, msg.reason).resume = func(again bool) {
			if !again {
				msg.resume(false)
				return
			}
			l.restartSoon(msg)
		}
	}
}

// leftBehind says whether the job's last task was abandoned: its goroutine may still run.
func (e *entry) leftBehind() bool {
	e.mu.Lock()
	t := e.task
	e.mu.Unlock()
	return t != nil && t.Over() && t.Yield(0).Ending == task.Abandoned
}

// workerGone hears that a worker of the library's own is gone, and what it has decided.
func (l *ledger) workerGone(w *worker) {
	e := w.entry
	if !e.busy {
		return // it was given up before
	}
	if e.decided() {
		l.decided(e)
	}
	l.onWorkerLost(e, w.Reason())
}

// workerEnded hears that a worker of the user's is gone for good.
func (l *ledger) workerEnded(msg *supervision.Ended) {
	if e, ok := msg.Tag.(*entry); ok && e.busy {
		l.onWorkerLost(e, msg.Reason)
	}
}

// onWorkerLost takes over what a worker has left: nothing, as a rule. A task that still runs is stopped first, so that the job never runs twice at
// the same time.
func (l *ledger) onWorkerLost(e *entry, reason error) {
	if o := l.orphanOf(e); o != nil {
		o.resume = nil // its supervisor is gone, too
		return         // its outcome is still to come, though the task may be over
	}
	if t := e.unfinished(); t != nil {
		l.adopt(e, t, reason)
		return
	}
	l.freeSlot(e, reason)
}

// orphan is a task that has lost its worker. The ledger waits for its end.
type orphan struct {
	entry  *entry
	reason error      // how the worker ended
	resume func(bool) // restarts the worker when the task has ended; nil if that is gone for good
}

// orphanOf returns nil if the entry's task is none.
func (l *ledger) orphanOf(e *entry) *orphan {
	e.mu.Lock()
	t := e.task
	e.mu.Unlock()
	if t == nil {
		return nil
	}
	return l.orphans[t.ID()]
}

// adopt makes the ledger the owner of a task, and stops it.
func (l *ledger) adopt(e *entry, t *task.Task[any], reason error) *orphan {
	o := &orphan{entry: e, reason: reason}
	l.orphans[t.ID()] = o
	t.Adopt(l.self)
	if !e.stopped() { // else its grace runs
		t.Stop(workerLost(reason), l.cfg.Grace)
	}
	return o
}

func workerLost(reason error) error {
	if reason == nil {
		return ErrWorkerLost
	}
	return fmt.Errorf("%w: %w", ErrWorkerLost, reason)
}

// orphanEnded hears how an adopted task ended.
func (l *ledger) orphanEnded(o *task.Outcome[any]) {
	if o.Task == nil || o.Status == task.Timeout {
		return // forged, or not the end
	}
	left := l.orphans[o.Task.ID()]
	if left == nil {
		return
	}
	delete(l.orphans, o.Task.ID())
	e := left.entry
	if o.Status == task.Exit && o.Cause == task.ErrTimeout { //nolint:errorlint // the cause itself
		late := *o
		late.Status = task.Timeout
		o = &late
	}
	e.heard(o)
	e.answered() // nobody is asked
	if left.resume != nil {
		left.resume(o.Ending != task.Abandoned)
		return
	}
	if o.Status == task.OK && l.behaviorOf(e).byDefault {
		_ = e.settle(Ack(), nil) // the work is done, and the worker would have said no more
	}
	l.freeSlot(e, left.reason)
}

// freeSlot frees the slot: worker and task are gone. Without a decision, the default policy decides.
func (l *ledger) freeSlot(e *entry, reason error) {
	l.busy.drop(e)
	e.busy = false
	l.lastProgress = time.Now()
	if !e.decided() {
		_ = e.settle(e.byDefault(reason)) // or lost: then nothing is owed
	}
	if l.keeps(e) {
		l.again(e)
		return
	}
	l.lineup.ended(e, l.lastProgress)
	if e.deferred && l.held.has(e) {
		e.link.settle(e)
	}
	l.emitDone(e)
}

// byDefault is the decision for a worker that took none.
func (e *entry) byDefault(reason error) (Decision, error) {
	e.mu.Lock()
	cause := e.cause
	e.mu.Unlock()
	reason = workerLost(reason)
	if cause != nil && !guard.Is(reason, cause) {
		reason = fmt.Errorf("%w: %w", cause, reason)
	}
	return e.decisionFor(e.facts(task.Exit)|factsOfCause(cause), task.Exit, reason, false), reason
}
