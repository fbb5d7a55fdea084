package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/internal/list"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/internal/supervise"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// ledger is the consumer's actor. It keeps an entry for each delivery that is held, and only it
// settles them. Its children are the task supervisor and the supervisor of user's workers. Its link
// waits on the broker. It never blocks.
//
// Each message is handled by one method, named on..., which changes facts and acts for its
// delivery. Everything that follows from several facts is done by reconcile, at the end of each
// turn.
//
// A delivery passes through onDelivered, admit, start (by reconcile), onWorkerGone or another end
// of its worker, onDecided, onSettled, remove.
type ledger struct {
	cfg      *settings
	source   queue.Source
	behavior Behavior
	offered  *instance // the one that came with the Props
	instance *instance // the one that the Consumer shows; nil before the ledger has entered it
	report   *reporter
	sys      *actor.System
	self     *actor.PID

	*incarnation // nil before the start
	tasks        *actor.PID
	workers      *workers

	session session
	held    list.List[entry] // unsettled, by the broker's count too
	busy    list.List[entry] // with a worker or a task
	waiting *admission.Queue // the deliveries without a slot
	alarm   alarm            // rings when a gate must be asked again
	serial  uint64           // of the last delivery

	refusals     *refusals
	paused       bool
	ended        bool // it does nothing any more
	abandoned    int  // abandoned tasks that still run
	late         int  // abandoned tasks that have returned
	drain        *drain
	lastProgress time.Time
	shown        view // the last published state
	answers      answers
}

func heldLinks(e *entry) *list.Links[entry] { return &e.inHeld }

func busyLinks(e *entry) *list.Links[entry] { return &e.inBusy }

// entryOf returns the entry of an item.
func entryOf(it *admission.Item) *entry { return it.Owner.(*entry) } //nolint:forcetypeassert // no others are pushed

// newLedger returns the ledger of a tree whose Props came with the offered instance.
func newLedger(offered *instance) *ledger {
	return &ledger{
		cfg: offered.cfg, source: offered.source, behavior: offered.behavior, offered: offered,
		held: list.New(heldLinks), busy: list.New(busyLinks),
	}
}

// Receive handles one message, and then reconciles.
func (l *ledger) Receive(ctx actor.Context) {
	if !l.enter(ctx) {
		return
	}
	l.handle(ctx)
	if !l.ended { // otherwise its children end now
		l.reconcile(ctx)
		l.answers.send()
	}
	l.session.flush()
}

// handle calls the handler of a message.
func (l *ledger) handle(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *delivered:
		l.onDelivered((*entry)(msg))
	case *decided:
		l.onDecided((*entry)(msg))
	case *workerGone:
		l.onWorkerGone((*worker)(msg))
	case *supervise.Ended:
		l.onWorkerEnded(msg)
	case *settled:
		l.onSettled(ctx, msg)
	case *returned:
		l.onReturned(ctx, msg)
	case *settleDue:
		l.onSettleDue(msg.entry)
	case *task.Outcome[any]:
		l.onOrphanEnded(msg)
	case *workerCrashed:
		l.workers.crashed(msg)
	case *restartDue:
		l.workers.restartNow(msg)
	case *actor.Stopping:
		l.onStopping()
	case *actor.Stopped:
		l.instance.limits.over()
	default:
		l.control(ctx)
	}
}

// enter finds the ledger's instance, and reports whether there is one. Without one the ledger ends.
func (l *ledger) enter(ctx actor.Context) bool {
	if l.instance != nil {
		return true
	}
	if _, first := ctx.Message().(*actor.Started); !first {
		return false // the consumer runs in another tree
	}
	l.instance = l.offered.enter(l.offered, ctx.ActorSystem(), ctx.Parent())
	if l.instance == nil {
		l.cfg.Logger.Error("gentask: consumer runs in another tree; this one ends")
		actor.Exit(ctx, ErrRunning)
		return false
	}
	l.report = newReporter(l.instance.Consumer)
	l.paused = l.instance.paused.Load()
	l.instance.limits.reset()
	l.refusals = l.instance.limits.refusals
	l.waiting = admission.NewQueue(l.instance.limits.gates())
	return true
}

func (l *ledger) onStarted(ctx actor.Context) {
	actor.TrapStop(ctx)
	l.sys, l.self = ctx.ActorSystem(), ctx.Self()
	l.instance.attach(l.sys, ctx.Parent(), l.self)
	l.onOverrides() // after attach: those that are set later find this ledger
	if l.instance.stopping.Load() {
		// The consumer was stopped before it began, or an earlier ledger died while it drained.
		actor.Exit(ctx, nil)
		return
	}
	if l.drained() {
		return // reconcile ends it
	}
	l.instance.turned(time.Now())
	l.startTasks(ctx)
	if l.behavior.restarts() {
		l.workers.supervise(ctx)
	}
	process.SendAfter(ctx, tickEvery, &tick{})
}

// startTasks starts the task supervisor. The first session is opened when it is ready. It continues
// the counts of an earlier ledger, because that one's abandoned tasks may still run.
func (l *ledger) startTasks(ctx actor.Context) {
	sup := l.instance.tasks
	stats := sup.Stats()
	l.abandoned, l.late = stats.Abandoned, int(stats.Late) //nolint:gosec // a count
	l.tasks = actor.Spawn(ctx, sup.Props(), actor.SpawnOptions{Name: "tasks", Monitor: true, Ready: true})
	l.incarnation = newIncarnation(l.sys, l.self, l.instance)
	l.workers = &workers{incarnation: l.incarnation, cfg: l.cfg, orphans: map[uint64]*orphan{}}
}

// onExited replaces a lost supervisor of workers: the ledger has all that they held. If the task
// supervisor is lost, its tasks are unknown, so the consumer ends, and restarts when they are gone.
func (l *ledger) onExited(ctx actor.Context, msg *actor.Exited) {
	switch {
	case msg.PID.Equal(l.workers.supervisor):
		l.workers.supervise(ctx)
		l.workersLost(msg.Reason)
	case msg.PID.Equal(l.tasks):
		actor.Exit(ctx, fmt.Errorf("gentask: task supervisor lost: %w", msg.Reason))
	}
}

// workersLost takes over from the workers of a supervisor that is lost.
func (l *ledger) workersLost(reason error) {
	l.report.workersLost(reason)
	for _, e := range l.busy.Slice() {
		if e.own != nil {
			continue
		}
		// After a Goexit of the producer the job must back off.
		if e.currentTask() == nil && !guard.Is(reason, actor.ErrGoexit) {
			_ = e.settle(Release(), reason) // its worker was never spawned
		}
		l.onWorkerLost(e, reason)
	}
}

// onStopping ends the ledger. After an orderly drain nothing is left. Otherwise the session is
// closed before the next incarnation can open another, and the children end the tasks.
func (l *ledger) onStopping() {
	l.ended = true
	l.instance.limits.ending()
	if l.incarnation != nil {
		l.incarnation.over.Store(true)
	}
	for e := range l.busy.All() {
		if e.own != nil {
			e.own.Exit(ErrWorkerLost) // its HandleResult is not called any more
		}
	}
	if l.session.link != nil {
		l.session.link.Abort()
	}
	for _, e := range l.held.Slice() {
		l.lose(e)
	}
	for _, e := range l.busy.Slice() {
		e.stop(ErrWorkerLost)
		l.busy.Remove(e)
		l.waiting.Ended(&e.item, l.resultOf(e), time.Now())
		l.emitDone(e)
	}
	l.alarm.stop()
	if l.drain != nil && !l.drain.done {
		l.instance.drained(l.drain.report) // cut short, for good
	}
	l.instance.ledger.CompareAndSwap(l.self, nil)
}

// control handles the messages that don't come with every job.
func (l *ledger) control(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.onStarted(ctx)
	case *actor.Ready:
		l.openSession(ctx) // the first one: the tasks can be started
	case *actor.Exited:
		l.onExited(ctx, msg)
	case *sessionOpened:
		l.onOpened(msg.From)
	case *intakeDrained:
		l.onDrained(msg.From)
	case *intakeFlowing:
		l.onFlowing(msg.From)
	case *sessionBroken:
		l.onBroken(ctx, msg.From, msg.Err)
	case *sessionClosed:
		l.onClosed(ctx, msg.From)
	case *backlogCounted:
		l.onBacklog(ctx, msg)
	case *suspectsIsolated:
		l.onIsolated(ctx, msg)
	case *suspectsCounted:
		l.onSuspectsCounted(msg)
	case *suspectTaken:
		l.onSuspectTaken(msg)
	case *openDue:
		l.openSession(ctx)
	case *tick:
		l.onTick(ctx)
	case *alarmed:
		l.alarm.rang(msg.at)
	case *unblocked:
		l.waiting.Changed()
	case *unitLost:
		l.onUnitLost(msg.entry)
	case *abandonedNow:
		l.onAbandoned(msg.n)
	case *tasksEnding:
		l.onTasksEnding(ctx)
	case *drainDue:
		l.onDrainDue(msg.drain)
	case *actor.StopRequest:
		l.report.log.Info("gentask: told to stop by its parent")
		l.startDrain(ctx, l.cfg.DrainTimeout)
	case *drainRequest:
		l.startDrain(ctx, msg.within)
	case interface{ look(actor.Context, *ledger) }: // a test of this package looks into a turn
		msg.look(ctx, l)
	case message:
		l.answer(msg)
	}
}

// onUnitLost stops a job whose unit of the fleet's limit may go to another node.
func (l *ledger) onUnitLost(e *entry) {
	if e.inBusy.In() {
		e.stop(ErrQuotaLost)
	}
}

// onTasksEnding ends the ledger because its task supervisor takes no more tasks. Otherwise every
// job would be given back, and come again at once.
func (*ledger) onTasksEnding(ctx actor.Context) {
	actor.Exit(ctx, fmt.Errorf("gentask: task supervisor lost: %w", task.ErrClosed))
}

// onAbandoned records the number of abandoned tasks. At the cap the consumer takes no work until
// one of them ends.
func (l *ledger) onAbandoned(n int) {
	if n > l.abandoned {
		l.report.abandoned(n)
	}
	l.abandoned, l.late = n, int(l.instance.tasks.Stats().Late) //nolint:gosec // a count
}

// startDrain begins the end of the consumer, once. Running jobs may finish within the given time.
func (l *ledger) startDrain(ctx actor.Context, within time.Duration) {
	if l.drain != nil {
		return
	}
	l.instance.stopping.Store(true)
	l.drain = &drain{}
	l.drain.timer = process.SendAfter(ctx, max(within, 0), &drainDue{l.drain})
	if l.incarnation != nil {
		l.batches.Drain()
	}
	l.report.draining(l.busy.Len(), l.held.Len())
}

// onDrainDue ends the time to drain: running jobs are cancelled. The second time, after the grace,
// it gives up unsettled deliveries.
func (l *ledger) onDrainDue(d *drain) {
	if d.over {
		d.last = true
		l.closeSession(link.CloseTimeout)
	} else {
		d.over = true
		sys, self := l.sys, l.self
		d.timer = time.AfterFunc(l.cfg.graceTime()+flushTime, func() { actor.Send(sys, self, &drainDue{d}) })
	}
}

// openSession opens the next session, unless there is one, or the consumer drains.
func (l *ledger) openSession(ctx actor.Context) {
	if l.session.phase != phaseClosed || l.drain != nil || l.incarnation == nil {
		return
	}
	if hung := l.cfg.hooks.driving.Hung(); hung >= guard.MaxHung {
		l.session.err = fmt.Errorf("%w: %d sessions left behind; the next is opened when one of them has returned",
			ErrDriverStuck, hung)
		l.report.noSession(EventOpenFailed, l.session.err, !l.instance.opened.Load(), l.held.Len())
		l.openLater(ctx)
		return
	}
	l.session.enter(phaseOpening)
	l.session.link = l.open(l.source, l.cfg.Prefetch+l.refusals.roomFor())
}

// openLater opens the next session after a while.
func (l *ledger) openLater(ctx actor.Context) {
	process.SendAfter(ctx, l.cfg.Reconnect.delay(l.session.failed(), l.cfg.random), &openDue{})
}
