package gentask

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/internal/list"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// entry is a delivery that is held, and the one-shot right to settle it. The first decision wins:
// by the worker, early by the user's code, or by the ledger. Only the consumer carries it out.
type entry struct {
	delivery    *queue.Delivery
	link        *sessionLink
	incarnation *incarnation
	cfg         *settings

	mu      sync.Mutex
	own     *worker    // the library's own worker; nil for a user's
	theirs  *actor.PID // the address of a user's worker, once it has started its task
	task    *task.Task[any]
	payload any
	cause   error // why the job must stop; nil if it need not
	// foreign is why this node can't do the job; nil if it can. See Unknown.
	foreign  error
	decision Decision      // the first one that settles
	reason   error         // of the decision
	runTime  time.Duration // of the task
	// deciding is when HandleResult was called, since the receipt; zero while it does not run.
	deciding  time.Duration
	told      error     // why the last run was stopped; nil if it wasn't
	receiver  *receiver // a user's worker; nil for one of the library's own
	status    task.Status
	ending    task.Ending // of the last run, as recorded so far
	marks     facts
	notes     *notes // of its run; nil if there are none
	alive     bool   // the user's worker has been spawned
	uncounted bool   // the last run is no failure for the policies: see Policy.Failure
	abandoned bool   // the task did not return within its grace
	lost      bool   // the session is over
	duplicate bool   // it was done before, and is acknowledged without a run
	unseated  bool   // its worker was given up because HandleResult hangs
	looking   bool   // its task is looking up whether the job is done
	unsaved   bool   // it is done, but the store of Policy.Dedup has not been updated

	// The fields below belong to the ledger, except received, which is constant. Small fields are
	// grouped because there may be a hundred thousand entries.
	item     admission.Item // its place in the admission queue
	inHeld   list.Links[entry]
	inBusy   list.Links[entry] // linked while it has a worker, or a task that has not ended
	received time.Time
	started  time.Duration // when it got its slot, since the receipt, plus 1 ns; zero before
	after    time.Duration // of its settlement
	// settleTime is when the decision was passed on, since the receipt, and later how long it took
	// until nothing was owed to the broker.
	settleTime  time.Duration
	closed      bool              // settled, lost or returned: nothing is owed to the broker
	inPlace     bool              // closed because its delivery waits for another run here
	deferred    bool              // its decision is carried out when its worker and task are gone
	sent        bool              // its decision is being carried out
	paced       bool              // after includes the wait that pace demands
	returned    bool              // the broker has the delivery back, unsettled
	disposition queue.Disposition // how it was settled; zero if it was lost or returned
}

// newEntry returns the entry of a delivery. It is called on the receiver's goroutine.
func newEntry(d *queue.Delivery, k *sessionLink, i *incarnation, cfg *settings) *entry {
	e := &entry{delivery: d, link: k, incarnation: i, cfg: cfg.of(&d.Message), received: time.Now()}
	e.item = admission.Item{
		Owner: e, Identity: identityOf(cfg.seed, d), Attempt: d.Attempt, Keys: cfg.keysOf(&d.Message, e.received),
		Redelivered: d.Redelivered, Used: int32(e.attemptsOfCopy()), //nolint:gosec // bounded
	}
	return e
}

// start records that the entry gets its slot.
func (e *entry) start(now time.Time) { e.started = max(now.Sub(e.received), 0) + 1 }

// wasStarted reports whether the entry has had a slot.
func (e *entry) wasStarted() bool { return e.started > 0 }

// startedAt returns when the entry got its slot.
func (e *entry) startedAt() time.Time { return e.received.Add(e.started - 1) }

// busy reports whether the entry has a slot: a worker, or a task that has not ended.
func (e *entry) busy() bool { return e.inBusy.In() }

// settle takes the decision, once, and asks the consumer to carry it out. The reason is used for a
// requeue or dead letter without a reason of its own.
func (e *entry) settle(d Decision, reason error) error {
	err := e.decide(d, reason)
	if err == nil {
		e.incarnation.tell((*decided)(e))
	}
	return err
}

// decide takes the decision without informing the consumer: the end of the worker does that.
func (e *entry) decide(d Decision, reason error) error {
	if _, ok := d.disposition(); !ok {
		return ErrUndecided
	}
	if d.reason != nil {
		reason = d.reason
	}
	d, reason = e.limitHold(e.limit(d, reason))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.decision.kind != undecided:
		return ErrSettled
	case e.lost:
		e.noteDone(d)
		return ErrSessionLost
	}
	if e.decision, e.reason = d, reason; e.receiver != nil {
		e.receiver.decided = time.Since(e.received)
	}
	e.noteDone(d)
	return nil
}

// lose marks the delivery as lost with its session.
func (e *entry) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = true
}

// verdict returns the decision and its reason; the zero Decision if none was taken.
func (e *entry) verdict() (Decision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision, e.reason
}

// decided reports whether a decision was taken.
func (e *entry) decided() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision.kind != undecided
}

// workerPID returns the worker's address. It is nil without a worker, or before a user's worker has
// started its task.
func (e *entry) workerPID() *actor.PID {
	e.mu.Lock()
	own, theirs := e.own, e.theirs
	e.mu.Unlock()
	if own != nil {
		return own.PID()
	}
	return theirs
}

// setWorker records the worker.
func (e *entry) setWorker(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.own = w
}

// spawned records that a user's worker is being spawned.
func (e *entry) spawned() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alive = true
	e.incarnation.spawnedAt.Store(time.Now().UnixNano())
}

// notSpawned reports whether the worker is long due and was not spawned, nor any other since.
func (e *entry) notSpawned(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.own == nil && !e.alive && now.Sub(e.startedAt()) > birthLimit &&
		now.UnixNano()-e.incarnation.spawnedAt.Load() > int64(birthLimit)
}

// settlement returns the decision as a settlement.
func (e *entry) settlement() queue.Settlement {
	d, reason := e.verdict()
	disposition, _ := d.disposition()
	s := e.settledBy(disposition)
	s.After = max(d.after, e.after)
	if reason != nil && disposition != queue.Ack && disposition != queue.Release {
		s.Reason = reason.Error()
		if disposition == queue.DeadLetter {
			s.Evidence = evidence(actor.Stack(reason), e.lastLog())
		}
	}
	return s
}

// evidence returns what a dead letter has beside its reason; nil if that is nothing.
func evidence(stack, log string) *queue.Evidence {
	if stack == "" && log == "" {
		return nil
	}
	return &queue.Evidence{Stack: stack, Log: log}
}

// settledBy returns a settlement that has no reason, and comes into effect at once.
func (e *entry) settledBy(how queue.Disposition) queue.Settlement {
	return queue.Settlement{
		Delivery: e.delivery, Disposition: how,
		Attempt: e.item.Attempt, Uncounted: max(e.delivery.Attempt-e.item.Attempt, 0),
	}
}

// fateOf returns how the gates see a settlement.
func fateOf(d queue.Disposition) admission.Fate {
	switch d {
	case queue.Ack, queue.DeadLetter:
		return admission.Done
	case queue.Release:
		return admission.Released
	case queue.Requeue:
		return admission.Requeued
	}
	return admission.Lost
}

// reject records that the broker has not taken the decision, and why.
func (e *entry) reject(refusal error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reason = fmt.Errorf("%w: %w", ErrReturned, refusal)
}

// answered records that HandleResult has returned.
func (e *entry) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deciding = 0
}

// handleHangs reports, once, whether HandleResult has been running for too long. It is given up
// then, and counted: it still runs.
func (e *entry) handleHangs(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deciding == 0 || now.Sub(e.received)-e.deciding <= handleLimit {
		return false
	}
	e.deciding, e.unseated = 0, true
	e.cfg.hooks.handle.CountHung()
	return true
}

// workerEnded is called when the worker has ended: HandleResult certainly no longer runs.
func (e *entry) workerEnded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deciding = 0
	if e.unseated {
		e.cfg.hooks.handle.CountReturned()
	}
}

// setReceiver records that the job gets a user's worker.
func (e *entry) setReceiver(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receiver = &receiver{id: id}
}

// idleSince returns when a user's worker was last limited by anything. ok is false if it runs a
// task, and for a library's own worker.
func (e *entry) idleSince(now time.Time) (since time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.alive:
		return time.Time{}, false
	case e.task == nil:
		since = e.startedAt()
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

// idleTooLong reports whether the worker has been idle for too long and must be ended. The limit is
// the time of a run; if the job was stopped, it is the grace.
func (e *entry) idleTooLong(now time.Time) bool {
	since, idle := e.idleSince(now)
	switch {
	case !idle:
		return false
	case e.stopped():
		return now.Sub(since) >= e.cfg.graceTime()
	}
	return e.cfg.taskTimeout() > 0 && now.Sub(since) >= e.cfg.taskTimeout()
}

// timeOut ends a job with a timeout because its worker decides nothing.
func (e *entry) timeOut() {
	e.stop(task.ErrTimeout)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decision.kind == undecided && (e.task == nil || e.task.Over()) {
		e.status, e.told = task.Timeout, task.ErrTimeout
	}
}

// open opens a session. The messages of its link are posted to the consumer.
func (i *incarnation) open(source queue.Source, prefetch int) *sessionLink {
	cfg := i.instance.cfg
	opts := cfg.sessionOptions()
	opts.Prefetch = prefetch
	return link.Open(link.Config[*entry]{
		Source: source, Options: opts, OpenTimeout: cfg.OpenTimeout,
		Send:       i.post,
		Deliver:    func(k *sessionLink, d *queue.Delivery) { i.tell((*delivered)(newEntry(d, k, i, cfg))) },
		LeftBehind: i.instance.driverStuck,
		Closing:    cfg.hooks.closing, Waiting: cfg.hooks.waiting, Standing: cfg.hooks.standing,
		Driving: cfg.hooks.driving,
	})
}

// maxUsed bounds the number in queue.HeaderAttempts, which any program may have written, so that
// adding to it does not overflow.
const maxUsed = math.MaxInt32 / 4

// attemptsOfCopy returns how many attempts were used up before this copy of the message was made.
func (e *entry) attemptsOfCopy() int {
	header, copied := e.delivery.Headers[queue.HeaderAttempts]
	if !copied {
		return 0
	}
	// Another program's header counts as none, and the nearest number if it is out of range.
	used, _ := strconv.ParseInt(header, 10, 32)
	return int(max(0, min(used, maxUsed)))
}

// storeFailed reports that a call of the store failed. It has no other effect.
func (e *entry) storeFailed(what string, err error) {
	i := e.incarnation.instance
	e.log(slog.LevelError, "gentask: dedup store failed",
		slog.String("call", what), slog.Any(keyError, err), slog.Any(keyStack, stackOf{err}))
	i.emit(because(EventDedupFailed, e, err))
}

// mustSave reports whether the store must be updated before the acknowledgement is sent.
func (e *entry) mustSave() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsaved
}

// queueTime returns how long the message waited until it was given to a worker; zero if it was not.
func (e *entry) queueTime() time.Duration {
	if !e.wasStarted() {
		return 0
	}
	from := e.delivery.Time
	if from.IsZero() {
		from = e.received
	}
	return max(e.startedAt().Sub(from), 0)
}

// trace returns the trace context of the last run; empty if none was set.
func (e *entry) trace() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notes == nil {
		return ""
	}
	return e.notes.trace
}

// log logs a record about the job.
func (e *entry) log(level slog.Level, msg string, more ...slog.Attr) {
	about := jobAttrs(e.delivery.ID, e.item.Attempt, e.trace())
	more = append(about, more...)
	e.cfg.Logger.LogAttrs(context.Background(), level, msg, more...) //nolint:sloglint // a constant of the caller
}
