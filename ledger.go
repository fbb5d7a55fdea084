package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// ledger is the consumer's actor: it keeps what is held, and is the only one who settles. Its children are the task supervisor
// and the worker supervisor; its link waits on the broker. It never blocks.
//
// A delivery comes in as delivered, waits for a slot, is given to a worker (dispatch.go), comes back as decided, goes to the link as a settlement,
// and leaves the ledger when the link has settled it. A worker that ends without a decision, and a lost session, are other ways to that end.
type ledger struct {
	cfg      *settings
	source   queue.Source
	behavior Behavior
	offered  *instance // what came with the Props
	instance *instance // where the outside looks; nil before it has entered one

	sys         *actor.System
	self        *actor.PID
	incarnation *incarnation
	tasks       *actor.PID
	workers     *actor.PID

	link          *link     // nil between two sessions
	up            bool      // the link's session is open
	sessionClosed bool      // the link's session is over for us; its goroutines may not know yet
	dry           bool      // nothing comes: the intake is cancelled
	turning       bool      // the intake is being cancelled or resumed
	asked         time.Time // since when the driver owes that, or the session
	openedAt      time.Time
	failures      int // sessions in a row that broke soon, and without having brought a delivery
	lastError     error

	held    list               // what is unsettled, by the broker's count too
	busy    list               // what has a worker or a task
	orphans map[uint64]*orphan // what has lost its worker while its task runs, by task
	lineup  *lineup            // what waits for a slot
	alarm   alarm              // for when a gate wants to be asked again
	serial  uint64

	workersMade uint64 // of the user's

	paused       bool
	ending       bool // on the way to its end, with tasks that may still run
	abandoned    int  // tasks that still run
	late         int  // and those that have returned
	drain        *drain
	lastProgress time.Time // when something moved last
	quiet        silence

	refused map[*entry]*refusal // what is held although it is decided: its settlement was refused
	jammed  time.Time           // since when the prefetch has been full of what can't be settled or returned
}

// Messages to the ledger, beside those of its link (link.go) and of requests (request.go).
type (
	// decided says that the entry has its decision.
	decided entry
	// retry says that a settlement which the broker did not take is to be tried again.
	retry struct{ entry *entry }
	// reopen says that it is time for a new session.
	reopen struct{}
	// abandonedNow says how many abandoned tasks still run.
	abandonedNow struct{ n int }
	// restarting says that the worker of an entry has crashed, and will be started again when resume says so.
	restarting struct {
		entry  *entry
		reason error
		resume func(bool)
	}
)

// newLedger makes the ledger of a tree whose Props came with the instance that is offered.
func newLedger(offered *instance) *ledger {
	return &ledger{
		cfg: offered.cfg, source: offered.source, behavior: offered.behavior, offered: offered,
		held: list{kind: listHeld}, busy: list{kind: listBusy}, orphans: map[uint64]*orphan{},
	}
}

// enter finds the ledger its instance; without one it ends.
func (l *ledger) enter(ctx actor.Context) {
	l.instance = l.offered.enter(l.offered, ctx.ActorSystem(), ctx.Parent())
	if l.instance == nil {
		l.cfg.Logger.Error("gentask: consumer runs in another tree; this one ends", "consumer", l.cfg.Name)
		actor.Exit(ctx, ErrRunning)
		return
	}
	l.paused = l.instance.paused.Load()
	l.lineup = newLineup(gatesOf(l))
}

// Receive is one turn of the ledger.
func (l *ledger) Receive(ctx actor.Context) {
	if l.instance == nil {
		if _, first := ctx.Message().(*actor.Started); first {
			l.enter(ctx)
		}
		if l.instance == nil {
			return // the consumer lives in another tree
		}
	}
	switch msg := ctx.Message().(type) {
	case *delivered:
		l.delivered((*entry)(msg))
	case *workerGone:
		l.workerGone((*worker)(msg))
	case *decided:
		l.decided((*entry)(msg))
	case *supervision.Ended:
		l.workerEnded(msg)
	case *settled:
		l.settled(ctx, msg)
	case *gaveBack:
		l.gaveBack(ctx, msg)
	case *task.Outcome[any]:
		l.orphanEnded(msg)
	case *restarting:
		l.restartingWorker(msg)
	case *restartDue:
		l.restartDue(msg)
	case *retry:
		l.retry(msg.entry)
	case *actor.Stopping:
		l.crashed()
		return
	case *actor.Stopped:
		l.instance.limits.over()
		return
	default:
		l.control(ctx)
	}
	l.fill(ctx)
	l.instance.limits.rest()
	l.checkDrained(ctx)
}

// control has the messages that don't come with every job.
func (l *ledger) control(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.started(ctx)
	case *actor.Ready:
		l.tasksReady(msg)
	case *actor.Exited:
		l.childExited(ctx, msg)
	case *opened:
		l.opened(msg)
	case *dried:
		l.dried(msg)
	case *flowing:
		l.flowing(msg)
	case *broken:
		l.broken(ctx, msg)
	case *backlogCounted:
		l.backlogCounted(ctx, msg)
	case *shut:
		l.shut(ctx, msg)
	case *reopen:
		l.reopen()
	case *abandonedNow:
		l.abandonedNow(msg.n)
	case *tick:
		l.tick(ctx)
	case *alarmed:
		l.alarmed(msg)
	case *unblocked:
		l.lineup.stir()
	case *drainUp:
		l.drainUp(msg)
	case request:
		msg.serve(ctx, l)
	case *actor.StopRequest:
		l.cfg.Logger.Info("gentask: told to stop by its parent", "consumer", l.cfg.Name)
		l.startDrain(ctx, l.cfg.DrainTimeout)
	}
}

func (l *ledger) started(ctx actor.Context) {
	actor.TrapStop(ctx)
	l.sys, l.self = ctx.ActorSystem(), ctx.Self()
	l.instance.attach(l.sys, ctx.Parent(), l.self)
	if l.instance.stopping.Load() {
		actor.Exit(ctx, nil) // stopped before it began, or an earlier incarnation died while it drained
		return
	}
	l.lastProgress = time.Now()
	l.turned(l.lastProgress)
	l.startTasks(ctx)
	if l.behavior.restarts() {
		l.startWorkers(ctx)
	}
	l.scheduleTick(ctx)
	l.publish()
}

// startTasks starts the task supervisor, which counts on: abandoned tasks may outlive a ledger. The first session is opened when it is ready.
func (l *ledger) startTasks(ctx actor.Context) {
	sup := l.instance.tasks
	stats := sup.Stats()
	l.abandoned, l.late = stats.Abandoned, int(stats.Late) //nolint:gosec // a count
	l.tasks = actor.Spawn(ctx, sup.Props(), actor.SpawnOptions{Name: "tasks", Monitor: true, Ready: true})
	l.incarnation = &incarnation{
		sys: l.sys, consumer: l.self, tasks: sup, instance: l.instance, batches: newBatches(l.cfg), workerName: l.self.Id + "/worker",
	}
}

// startWorkers starts the supervisor of the workers of the user's. The library's own are the ledger's to supervise.
func (l *ledger) startWorkers(ctx actor.Context) {
	props, err := supervision.Dynamic(supervision.DynamicSpec{
		ChildIntensity: &supervision.Intensity{Restarts: max(l.cfg.Restarts, 0), Period: workerPeriod},
	})
	if err != nil {
		panic(err) // there is nothing of the user's in it
	}
	l.workers = actor.Spawn(ctx, props, actor.SpawnOptions{Name: "workers", Monitor: true})
}

// workerPeriod is the time in which Config.Restarts counts.
const workerPeriod = 5 * time.Second

func (l *ledger) tasksReady(msg *actor.Ready) {
	if msg.PID.Equal(l.tasks) {
		l.reopen()
	}
}

// childExited mends the loss of a supervisor. Workers hold nothing that the ledger doesn't know, so they are replaced. Without the task
// supervisor nobody knows which tasks run, so the consumer ends, and starts anew when they are gone.
func (l *ledger) childExited(ctx actor.Context, msg *actor.Exited) {
	switch {
	case msg.PID.Equal(l.workers):
		l.workersLost(ctx, msg.Reason)
	case msg.PID.Equal(l.tasks):
		actor.Exit(ctx, fmt.Errorf("gentask: task supervisor lost: %w", msg.Reason))
	}
}

// workersLost replaces the worker supervisor, and takes over what its workers have left.
func (l *ledger) workersLost(ctx actor.Context, reason error) {
	l.cfg.Logger.Error("gentask: worker supervisor lost, started anew", "consumer", l.cfg.Name, "reason", reason)
	l.emit(Event{Kind: EventWorkersLost, Reason: reason})
	l.startWorkers(ctx)
	for _, e := range l.busy.entries() {
		if e.own != nil {
			continue
		}
		if !e.begun() && !guard.Is(reason, actor.ErrGoexit) { // that was a producer of the user's: it has to back off
			_ = e.settle(Release(), reason) // its worker never came to life
		}
		l.onWorkerLost(e, reason)
	}
}

// delivered enters a delivery into the ledger.
func (l *ledger) delivered(e *entry) {
	if l.stale(e.link) {
		return // the session has ended, and with it the delivery
	}
	l.serial++
	e.serial = l.serial
	l.held.add(e)
	if l.instance.limits.shared.note(e.identity) {
		l.cfg.Logger.Warn("gentask: messages share an id: see Health.SharedIDs", "consumer", l.cfg.Name, "id", bounded(e.delivery.ID))
	}
	l.failures = 0
	l.lastProgress, l.quiet.since = e.received, e.received
	l.count()
	l.recount(e)
	l.tellOf(EventReceived, e)
	l.admit(e)
	if l.dry {
		l.releaseWaiting()
	}
}

// decided carries a decision out.
func (l *ledger) decided(e *entry) {
	if e.sent {
		return // told twice: early, and by the worker's end
	}
	e.sent = true
	if d, reason := e.verdict(); d.kind == decidePauseConsumer {
		l.cfg.Logger.Warn("gentask: paused by a job", "consumer", l.cfg.Name, "id", e.delivery.ID, "reason", reason)
		l.pause(true, reason)
	}
	if !l.held.has(e) {
		return // lost with its session
	}
	l.lastProgress = time.Now()
	l.pace(e)
	if e.busy && l.keeps(e) {
		e.deferred = true
		return
	}
	if l.saves(e) {
		return
	}
	e.link.settle(e)
}

// settled removes what the broker has taken, and tries the rest again.
func (l *ledger) settled(ctx actor.Context, msg *settled) {
	if l.stale(msg.link) {
		return
	}
	var hopeless []*entry
	for i, e := range msg.entries {
		s := &msg.settlements[i]
		switch err, bad := msg.failed[s.Delivery.Tag]; {
		case !l.held.has(e):
		case bad && !msg.over:
			if l.settleFailed(ctx, e, err, msg.late) {
				hopeless = append(hopeless, e)
			}
		case !msg.over:
			l.remove(e, s)
		}
	}
	l.giveBack(hopeless)
	msg.lane.giveBack(msg.batch)
	if msg.over {
		l.broken(ctx, &broken{link: msg.link, err: msg.err})
	}
}

// remove takes an entry out of the ledger: its delivery is settled.
func (l *ledger) remove(e *entry, s *queue.Settlement) {
	l.held.drop(e)
	l.forget(e, s.Disposition)
	l.lastProgress = time.Now()
	e.closed, e.disposition, e.after = true, s.Disposition, s.After
	l.lineup.gone(e, l.lastProgress)
	l.drain.removed(e)
	l.emitDone(e)
}

// lose takes an entry out of the ledger: its session is over, and the broker delivers the message again.
func (l *ledger) lose(e *entry) {
	l.held.drop(e)
	l.forgetLost(e)
	e.lose()
	e.closed = true
	if !l.cfg.FinishLost {
		e.stop(ErrSessionLost)
	}
	l.lineup.gone(e, time.Now())
	l.drain.removed(e)
	l.emitDone(e)
}

// emitDone tells the end of a delivery, when nothing is owed to the broker, and its worker and task are gone.
func (l *ledger) emitDone(e *entry) {
	l.count()
	if e.closed && !e.busy {
		l.tellOf(EventDone, e)
		l.logEnd(e)
	}
}

// crashed is the end by whatever way. After an orderly one there is nothing left. Otherwise the session is closed before the next incarnation
// can open another; the children see to the tasks.
func (l *ledger) crashed() {
	l.ending = true
	if l.incarnation != nil {
		l.incarnation.over.Store(true)
	}
	for e := range l.busy.all() {
		if e.own != nil {
			e.own.Exit(ErrWorkerLost) // nobody is asked any more what becomes of its job
		}
	}
	if l.link != nil {
		l.link.abort()
	}
	for _, e := range l.held.entries() {
		l.lose(e)
	}
	for _, e := range l.busy.entries() {
		e.stop(ErrWorkerLost)
		l.busy.drop(e)
		e.busy = false
		l.lineup.ended(e, time.Now())
		l.emitDone(e)
	}
	l.alarm.stop()
	if l.drain != nil && !l.drain.done {
		l.instance.drained(l.drain.report) // cut short: nobody goes on with it
	}
	l.instance.ledger.CompareAndSwap(l.self, nil)
	l.count()
}
