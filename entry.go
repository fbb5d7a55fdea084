package gentask

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
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

// incarnation is what the entries of one incarnation of a consumer share.
type incarnation struct {
	sys      *actor.System
	consumer *actor.PID
	tasks    *task.Supervisor
	instance *instance
	batches  *batches

	spawnedAt  atomic.Int64 // when a worker of the user's was spawned last
	workerName string       // the first part of the names of the library's own workers
	over       atomic.Bool  // the consumer has ended
}

// tell posts a message to the consumer.
func (i *incarnation) tell(msg message) { i.post(msg) }

// post posts a message to the consumer, unless that has ended: then it has left nothing behind that a
// message could be about.
func (i *incarnation) post(msg any) {
	if !i.over.Load() {
		actor.Send(i.sys, i.consumer, msg)
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
		Closing:    cfg.hooks.closing, Waiting: cfg.hooks.waiting, Driving: cfg.hooks.driving,
	})
}

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

// newEntry makes the entry of a delivery, on the receiver's goroutine.
func newEntry(d *queue.Delivery, k *sessionLink, i *incarnation, cfg *settings) *entry {
	e := &entry{delivery: d, link: k, incarnation: i, cfg: cfg, received: time.Now()}
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
	spec.Run, spec.Name = e.incarnation.instance.dedup.unless(e, e.watched(spec.Run)), e.delivery.ID
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
		e.incarnation.instance.dedup.note(e, d)
		return ErrSessionLost
	}
	if e.decision, e.reason = d, reason; e.receiver != nil {
		e.receiver.decided = time.Since(e.received)
	}
	e.incarnation.instance.dedup.note(e, d)
	return nil
}

// limit makes a requeue of the last attempt a dead letter.
func (e *entry) limit(d Decision, reason error) (Decision, error) {
	if d.kind != decideRequeue || !e.cfg.lastAttempt(e.item.Attempt) {
		return d, reason
	}
	reason = &AttemptsError{Attempt: e.item.Attempt, Max: e.cfg.MaxAttempts, Err: reason}
	return DeadLetter(reason), reason
}

// lose marks the delivery as lost with its session.
func (e *entry) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = true
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

func (e *entry) wasAbandoned() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn()
	return e.abandoned
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

// verdict returns the decision that was taken and its reason; the zero Decision if none was.
func (e *entry) verdict() (Decision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision, e.reason
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

// decided says whether a decision was taken.
func (e *entry) decided() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.decision.kind != undecided
}

// stopped says whether the job is to stop.
func (e *entry) stopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause != nil
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

// begun says whether a task of the job was started, or a decision taken.
func (e *entry) begun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.task != nil || e.decision.kind != undecided
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

// byDefault returns the decision for a worker that took none.
func (e *entry) byDefault(reason error) (Decision, error) {
	cause := e.toldCause()
	reason = workerLost(reason)
	if cause != nil && !guard.Is(reason, cause) {
		reason = fmt.Errorf("%w: %w", cause, reason)
	}
	return e.decisionFor(e.facts(task.Exit)|factsOfCause(cause), task.Exit, reason, false), reason
}
