package gentask

import (
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/task"
)

// ErrWorkerIdle is the reason of an EventHealed, and wrapped by that of the job: its worker, made by Actor, held
// a slot for Config.Timeout without running a task, or settled and did not end, or left the timeout of its task
// unanswered for as long.
var ErrWorkerIdle = errors.New("gentask: worker neither runs a task, nor settles, nor ends")

// receiver is what is known of a worker of the user's.
type receiver struct {
	// The ledger's.
	id       string // in its supervisor
	restarts uint16 // how often it was started again

	// Guarded by the entry's mu: when something happened to the job, since its receipt, as far as the limit of
	// the worker depends on it.
	ran, decided, stopped time.Duration
}

// setReceiver notes that the job gets a worker of the user's.
func (e *entry) setReceiver(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receiver = &receiver{id: id}
}

// idleSince returns since when a worker of the user's has had nothing that limits its time. ok is false for one that
// runs a task, and for those of the library's own.
func (e *entry) idleSince(now time.Time) (since time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.receiver == nil || !e.alive:
		return time.Time{}, false
	case e.task == nil:
		since = e.started
	case e.task.Over():
		since = e.received.Add(e.receiver.ran + e.task.Yield(0).RunTime)
	default:
		unanswered := e.task.Unanswered()
		if unanswered == 0 || e.cause != nil {
			return time.Time{}, false
		}
		since = now.Add(-unanswered)
	}
	if last := e.received.Add(max(e.receiver.decided, e.receiver.stopped)); last.After(since) {
		since = last
	}
	return since, true
}

// idle reports whether the worker of e is to be ended, because it has been idle for too long: for the time of a
// run, or, when it was told to stop, for the grace.
func (l *ledger) idle(e *entry, now time.Time) bool {
	since, idle := e.idleSince(now)
	switch {
	case !idle || l.orphanOf(e) != nil:
		return false
	case e.stopped():
		return now.Sub(since) >= l.cfg.graceTime()
	}
	return l.cfg.taskTimeout() > 0 && now.Sub(since) >= l.cfg.taskTimeout()
}

// endIdle takes slot and delivery from a worker of the user's that does nothing with them. Without a decision the
// job has timed out, unless it was told to stop before.
func (l *ledger) endIdle(e *entry) {
	reason := e.toldCause()
	if reason == nil {
		reason = ErrWorkerIdle
		l.cfg.Logger.Error("gentask: worker idle for too long, ended", "consumer", l.cfg.Name, "job", e.delivery.ID, "decided", e.decided())
		ev := l.eventOf(EventHealed, e)
		ev.Reason = ErrWorkerIdle
		l.emit(ev)
		e.timeOut()
	}
	l.stopWorker(e, reason)
	l.onWorkerLost(e, reason)
}

// timeOut makes a Timeout of a job whose worker decides nothing.
func (e *entry) timeOut() {
	e.stop(task.ErrTimeout)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decision.kind == undecided && (e.task == nil || e.task.Over()) {
		e.status, e.told = task.Timeout, task.ErrTimeout
	}
}

// cancelIdle ends the worker of e, which was told to stop, at once if it is one of the user's that would not hear of it:
// only a task has a context.
func (l *ledger) cancelIdle(e *entry) {
	if _, idle := e.idleSince(time.Now()); idle && e.busy && !e.decided() && l.orphanOf(e) == nil {
		l.endIdle(e)
	}
}

// restartSoon starts a crashed worker of the user's again: at once as often as Config.Restarts says, and then after a
// wait, longer each time, for it may crash for ever without ever being too fast. It is limited like an idle one meanwhile.
func (l *ledger) restartSoon(msg *restarting) {
	e := msg.entry
	r := e.receiver
	r.restarts = min(r.restarts, 1000) + 1
	extra := int(r.restarts) - max(l.cfg.Restarts, 0)
	if extra <= 0 {
		msg.resume(true)
		return
	}
	time.AfterFunc(comebackWait(uint8(min(extra, 100))), func() { e.incarnation.tell(&restartDue{msg}) }) //nolint:gosec // bounded
}

// restartDue says that a crashed worker has waited for its restart.
type restartDue struct{ *restarting }

func (l *ledger) restartDue(msg *restartDue) {
	e := msg.entry
	msg.resume(e.busy && !e.decided() && !e.stopped() && !e.leftBehind())
}

// workerID returns the name of the worker of e in its supervisor, before it has an address.
func (l *ledger) workerID() string {
	l.workersMade++
	return fmt.Sprintf("job-%d", l.workersMade)
}
