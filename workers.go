package gentask

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/internal/supervise"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// workerPeriod is the period of Config.Restarts.
const workerPeriod = 5 * time.Second

// workers starts and ends the workers of one incarnation of the ledger, and keeps the tasks that
// have lost theirs. It belongs to the ledger's goroutine.
//
// The ledger supervises the library's own workers. The user's workers have a supervisor. They are
// transient: a crashed one is restarted, but never while its old task still runs.
type workers struct {
	*incarnation

	cfg        *settings
	supervisor *actor.PID // nil if the behaviour has no user's workers
	made       uint64     // user's workers so far
	orphans    map[uint64]*orphan
}

// orphan is a task that has lost its worker. The ledger waits for its end.
type orphan struct {
	entry  *entry
	reason error            // of the worker's end
	resume func(again bool) // restarts the worker after the task; nil if it is gone for good
}

// supervise starts the supervisor of the workers that the user wrote. It is called again when that
// is lost.
func (w *workers) supervise(ctx actor.Context) {
	props, err := supervision.Dynamic(supervision.DynamicSpec{
		ChildIntensity: &supervision.Intensity{Restarts: max(w.cfg.Restarts, 0), Period: workerPeriod},
	})
	if err != nil {
		panic(err) // the spec does not depend on the user
	}
	w.supervisor = actor.Spawn(ctx, props, actor.SpawnOptions{Name: "workers", Monitor: true})
}

// start starts the worker of an entry.
func (w *workers) start(e *entry, b Behavior) {
	if b.kernel != nil {
		startWorker(e, b.kernel)
		return
	}
	w.startChild(e, b.props)
}

// startChild starts a user's worker.
func (w *workers) startChild(e *entry, props func(*entry) *actor.Props) {
	w.made++
	id := "job-" + strconv.FormatUint(w.made, 10)
	e.setReceiver(id)
	actor.Send(w.sys, w.supervisor, &supervise.Start[supervision.ChildSpec]{Tag: e, Spec: supervision.ChildSpec{
		ID: id,
		Props: func() *actor.Props {
			e.spawned()
			return props(e)
		},
		Restart: supervision.Transient,
		BeforeRestart: func(reason error, resume func(bool)) { // called in the supervisor
			w.tell(&workerCrashed{entry: e, reason: reason, resume: resume})
		},
		Notify: w.consumer,
	}})
}

// stop ends the worker of an entry, as soon as it can be ended.
func (w *workers) stop(e *entry, reason error) {
	if e.own != nil {
		e.own.Exit(reason)
		return
	}
	actor.Send(w.sys, w.supervisor, &supervise.Terminate{ID: e.receiver.id})
}

// replace abandons the supervisor, as if it had ended, and starts another.
func (w *workers) replace(ctx actor.Context) {
	old := w.supervisor
	actor.Kill(w.sys, old)
	w.supervise(ctx)
	process.Abandon(ctx, old)
}

// crashed restarts a crashed worker that still has a job, once its old task has ended.
func (w *workers) crashed(msg *workerCrashed) {
	e := msg.entry
	t := e.unfinished()
	switch {
	case !e.busy() || e.decided() || e.stopped() || t == nil && e.leftBehind():
		msg.resume(false)
	case t == nil:
		w.restart(msg)
	default:
		w.adopt(e, t, msg.reason).resume = func(again bool) {
			if again {
				w.restart(msg)
			} else {
				msg.resume(false)
			}
		}
	}
}

// restart restarts a crashed worker: at once for the first Config.Restarts times, and then after a
// growing wait. The wait is needed because a worker may crash for ever without exceeding the
// intensity. Meanwhile the time limit of an idle worker applies.
func (w *workers) restart(msg *workerCrashed) {
	r := msg.entry.receiver
	r.restarts = min(r.restarts, 1000) + 1
	extra := int(r.restarts) - max(w.cfg.Restarts, 0)
	if extra <= 0 {
		msg.resume(true)
		return
	}
	wait := comebackWait(uint8(min(extra, 100))) //nolint:gosec // bounded
	time.AfterFunc(wait, func() { w.tell(&restartDue{msg}) })
}

// restartNow is called when a crashed worker has waited long enough.
func (w *workers) restartNow(msg *restartDue) {
	e := msg.entry
	msg.resume(e.busy() && !e.decided() && !e.stopped())
}

// orphanOf returns the orphan of an entry; nil if its task is none.
func (w *workers) orphanOf(e *entry) *orphan {
	t := e.currentTask()
	if t == nil {
		return nil
	}
	return w.orphans[t.ID()]
}

// lost is called when the worker of an entry has ended. It reports whether the slot is free. A task
// that still runs is stopped first, so that the job never runs twice at the same time.
func (w *workers) lost(e *entry, reason error) (free bool) {
	if o := w.orphanOf(e); o != nil {
		o.resume = nil // its supervisor has ended, too
		return false   // its outcome has yet to come, though the task may be over
	}
	if t := e.unfinished(); t != nil {
		w.adopt(e, t, reason)
		return false
	}
	return true
}

// adopt makes the ledger the owner of a task, and stops it.
func (w *workers) adopt(e *entry, t *task.Task[any], reason error) *orphan {
	o := &orphan{entry: e, reason: reason}
	w.orphans[t.ID()] = o
	t.Adopt(w.consumer)
	if !e.stopped() { // otherwise its grace is running
		t.Stop(workerLost(reason), w.cfg.Grace)
	}
	return o
}

// ended is called with the outcome of an orphan. It returns the orphan if its worker is gone for
// good. It returns nil if the worker is restarted, or if the outcome is not the end of an orphan.
func (w *workers) ended(o *task.Outcome[any]) *orphan {
	if o.Task == nil || o.Status == task.Timeout {
		return nil // forged, or not the end
	}
	left := w.orphans[o.Task.ID()]
	if left == nil {
		return nil
	}
	delete(w.orphans, o.Task.ID())
	if o.Status == task.Exit && o.Cause == task.ErrTimeout { //nolint:errorlint // the cause itself
		late := *o
		late.Status = task.Timeout
		o = &late
	}
	left.entry.heard(o)
	left.entry.answered() // HandleResult is not called
	if left.resume == nil {
		return left
	}
	left.resume(o.Ending != task.Abandoned)
	return nil
}

// workerLost returns the reason of a job whose worker has ended without a decision.
func workerLost(reason error) error {
	if reason == nil {
		return ErrWorkerLost
	}
	return fmt.Errorf("%w: %w", ErrWorkerLost, reason)
}
