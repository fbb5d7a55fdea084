package gentask

import (
	"fmt"
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

// entry is one line of the ledger: a delivery that is held, and the one-shot right to settle it. The first decision wins, whoever takes it: the
// worker, the user's code early, or the ledger itself. Only the consumer carries it out.
type entry struct {
	delivery    *queue.Delivery
	link        *sessionLink
	incarnation *incarnation
	cfg         *settings

	mu        sync.Mutex
	own       *worker    // its worker, if that is one of the library's own
	theirs    *actor.PID // or where one of the user's is, once it has asked for its task
	task      *task.Task[any]
	payload   any
	cause     error         // why the job is to stop, if it is
	foreign   error         // why this node can't do it, if it can't: see Unknown
	decision  Decision      // the first that settles
	reason    error         // of the decision
	runTime   time.Duration // of the task
	deciding  time.Duration // since when HandleResult has been running, after the receipt; zero when it isn't
	told      error         // why the last run was stopped; nil if it wasn't
	receiver  *receiver     // its worker, if that is one of the user's
	status    task.Status
	ending    task.Ending // of the last run, as far as it was heard
	marks     facts
	alive     bool // its worker, if it is one of the user's, has been spawned
	uncounted bool // its last run failed by itself: see Policy.Failure
	abandoned bool // the task did not return within its grace
	lost      bool // the session is over
	duplicate bool // it was done before, and is acknowledged without a run
	unseated  bool // its worker was given up because HandleResult hangs
	looking   bool // its task is finding out whether it was
	unsaved   bool // it is done, and the store of Policy.Dedup has yet to be told

	// The rest belongs to the ledger, but for received, which doesn't change. There may be a hundred
	// thousand entries: small fields stand together.
	item        admission.Item // its place among those that wait
	inHeld      list.Links[entry]
	inBusy      list.Links[entry] // in while it has a worker, or a task that has not ended
	received    time.Time
	started     time.Duration     // when it got its worker, after the receipt and 1 ns more; zero before
	after       time.Duration     // of its settlement
	closed      bool              // settled, lost or returned: nothing is owed to the broker
	inPlace     bool              // or its delivery waits for another run here
	deferred    bool              // its decision is carried out when its worker and task are gone
	sent        bool              // its decision is being carried out
	paced       bool              // after is no less than what its message has to wait: see pace
	returned    bool              // the broker has the delivery back, unsettled
	disposition queue.Disposition // how it was settled; zero if it was lost or returned
}

// newEntry makes the entry of a delivery, on the receiver's goroutine.
func newEntry(d *queue.Delivery, k *sessionLink, i *incarnation, cfg *settings) *entry {
	e := &entry{delivery: d, link: k, incarnation: i, cfg: cfg.of(&d.Message), received: time.Now()}
	e.item = admission.Item{
		Owner: e, Identity: identityOf(cfg.seed, d), Attempt: d.Attempt, Keys: cfg.keysOf(&d.Message, e.received),
		Redelivered: d.Redelivered, Used: int32(min(e.attemptsOfCopy(), math.MaxInt32)), //nolint:gosec // bounded
	}
	return e
}

// start notes that the entry gets its slot.
func (e *entry) start(now time.Time) { e.started = max(now.Sub(e.received), 0) + 1 }

// wasStarted reports whether the entry has had a slot.
func (e *entry) wasStarted() bool { return e.started > 0 }

// startedAt returns when the entry got its slot.
func (e *entry) startedAt() time.Time { return e.received.Add(e.started - 1) }

// busy reports whether the entry has a slot: a worker, or a task that has not ended.
func (e *entry) busy() bool { return e.inBusy.In() }

// settle takes the decision, once, and has the consumer carry it out. The reason goes with a requeue or a dead letter that has none of its own.
func (e *entry) settle(d Decision, reason error) error {
	err := e.decide(d, reason)
	if err == nil {
		e.incarnation.tell((*decided)(e))
	}
	return err
}

// decide takes the decision, for a worker that tells the consumer so with its end.
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

// verdict returns the decision that was taken and its reason; the zero Decision if none was.
func (e *entry) verdict() (Decision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision, e.reason
}

// decided says whether a decision was taken.
func (e *entry) decided() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision.kind != undecided
}

// workerPID is the worker's address; nil if there is none, or one of the user's that has not asked for its task yet.
func (e *entry) workerPID() *actor.PID {
	e.mu.Lock()
	own, theirs := e.own, e.theirs
	e.mu.Unlock()
	if own != nil {
		return own.PID()
	}
	return theirs
}

// setWorker notes the worker.
func (e *entry) setWorker(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.own = w
}

// spawned notes that the worker, one of the user's, is being spawned.
func (e *entry) spawned() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alive = true
	e.incarnation.spawnedAt.Store(time.Now().UnixNano())
}

// notSpawned says whether the worker that was asked for a while ago has not been spawned yet, nor any other of late.
func (e *entry) notSpawned(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.own == nil && !e.alive && now.Sub(e.startedAt()) > birthLimit && now.UnixNano()-e.incarnation.spawnedAt.Load() > int64(birthLimit)
}

// settlement is the decision in the words of the queue.
func (e *entry) settlement() queue.Settlement {
	d, reason := e.verdict()
	disposition, _ := d.disposition()
	s := queue.Settlement{
		Delivery: e.delivery, Disposition: disposition, After: max(d.after, e.after), Attempt: e.item.Attempt, Uncounted: max(e.delivery.Attempt-e.item.Attempt, 0),
	}
	if reason != nil && disposition != queue.Ack && disposition != queue.Release {
		s.Reason = reason.Error()
		if disposition == queue.DeadLetter {
			s.Stack = actor.Stack(reason)
		}
	}
	return s
}

// fateOf returns what a settlement tells the gates.
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

// reject makes a refusal the reason of the entry's end.
func (e *entry) reject(refusal error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reason = fmt.Errorf("%w: %w", ErrReturned, refusal)
}

// decidingFor says how long HandleResult has been running; zero when it isn't.
func (e *entry) decidingFor(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deciding == 0 {
		return 0
	}
	return now.Sub(e.received) - e.deciding
}

// answered notes that HandleResult has returned.
func (e *entry) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deciding = 0
}

// leaveSeat counts a HandleResult that hangs. It still runs.
func (e *entry) leaveSeat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unseated = true
	e.cfg.hooks.handle.CountHung()
}

// returnedAfterAll is called when HandleResult is known to run no more.
func (e *entry) returnedAfterAll() {
	e.mu.Lock()
	hung := e.unseated
	e.unseated = false
	e.mu.Unlock()
	if hung {
		e.cfg.hooks.handle.CountReturned()
		e.incarnation.tell(&unblocked{})
	}
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

// idleTooLong reports whether the worker of e must be ended, because it has been idle for too long: for
// the time of a run, or, when it was told to stop, for the grace.
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

// timeOut makes a Timeout of a job whose worker decides nothing.
func (e *entry) timeOut() {
	e.stop(task.ErrTimeout)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decision.kind == undecided && (e.task == nil || e.task.Over()) {
		e.status, e.told = task.Timeout, task.ErrTimeout
	}
}

// receiver is what is known of a worker of the user's.
type receiver struct {
	// The ledger's.
	id       string // in its supervisor
	restarts uint16 // how often it was started again

	// Guarded by the entry's mu: when something happened to the job, since its receipt, as far as the limit of
	// the worker depends on it.
	ran, decided, stopped time.Duration
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
		Closing:    cfg.hooks.closing, Waiting: cfg.hooks.waiting, Driving: cfg.hooks.driving,
	})
}

// attemptsOfCopy returns how many attempts were used up before this copy of the message was made.
func (e *entry) attemptsOfCopy() int {
	header, copied := e.delivery.Headers[queue.HeaderAttempts]
	if !copied {
		return 0
	}
	used, _ := strconv.Atoi(header) // of a stranger: it has none
	return used
}

// storeFailed is loud, and harms nothing.
func (e *entry) storeFailed(what string, err error) {
	l := e.incarnation.instance
	l.cfg.Logger.Error("gentask: dedup store failed", "consumer", l.cfg.Name, "job", e.delivery.ID, "call", what,
		"reason", err, "stack", actor.Stack(err))
	l.emit(Event{Kind: EventDedupFailed, ID: e.delivery.ID, Attempt: e.item.Attempt, Redelivered: e.delivery.Redelivered, Reason: err})
}

// takeUnsaved reports whether the store must be told of the job, once, before its acknowledgement is
// passed on.
func (e *entry) takeUnsaved() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	unsaved := e.unsaved
	e.unsaved = false
	return unsaved
}
