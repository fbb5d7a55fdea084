package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// tick lets the watchdog look.
type tick struct{}

const (
	// tickEvery is how often the watchdog looks; it heals within twice that.
	tickEvery = 500 * time.Millisecond

	// stillFor is how long nothing may move, with the prefetch full and nobody working, before the session is given up.
	stillFor = 400 * time.Millisecond

	// handleLimit is how long a HandleResult may take. It is code of the user's that runs in the worker, so nobody can stop it; its job is
	// settled without it.
	handleLimit = 10 * time.Second

	// birthLimit is how long the worker supervisor may take to start a worker. One that was killed while a HandleResult hangs can't end, and
	// starts none any more.
	birthLimit = 5 * time.Second

	// quietFor is how long nothing may come, with slots free, before the broker is asked what waits; and from one answer that nothing waits to the
	// next question. It is doubled for each session in a row that brought nothing, up to quietDoublings times, for a consumer that the broker
	// has reason to pass over.
	quietFor       = 1500 * time.Millisecond
	quietDoublings = 5

	// backlogTime bounds the question, and silentGoodbye the end of a session that is found silent: its network may be dead.
	backlogTime   = time.Second
	silentGoodbye = 500 * time.Millisecond

	// doubtsEnough is how many answers in a row must say that messages wait, a tick apart, with nothing received: one may have seen a message
	// that was on its way.
	doubtsEnough = 2
)

var (
	// ErrStalled is the reason of a session that was given up because nothing moved: the prefetch was full and nobody worked.
	ErrStalled = errors.New("gentask: prefetch full and nobody working")

	// ErrSilent is the reason of a session that was given up because nothing came, although messages waited at the broker and slots were free.
	ErrSilent = errors.New("gentask: messages wait and none is delivered")

	// ErrDriverStuck is the reason of a session that was given up, or could not be opened, because the driver did not return from a call, or from
	// Receive after Cancel, 5 s after the time for it was over.
	ErrDriverStuck = errors.New("gentask: driver does not return")

	// ErrWorkersStuck is the reason of a worker supervisor that was given up because it started no worker for 5 s.
	ErrWorkersStuck = errors.New("gentask: worker supervisor starts no worker")

	// ErrHandleResult is the reason of a job whose HandleResult did not return within 10 s.
	ErrHandleResult = errors.New("gentask: HandleResult did not return")
)

func (l *ledger) scheduleTick(ctx actor.Context) { actor.SendAfter(ctx, tickEvery, &tick{}) }

// tick heals what must never be. Whatever it finds is a bug, of the library's or of the user's; the node goes on all the same.
func (l *ledger) tick(ctx actor.Context) {
	l.scheduleTick(ctx)
	now := time.Now()
	l.turned(now)
	unborn := false
	for _, e := range l.busy.entries() {
		if e.decidingFor(now) > handleLimit {
			l.unseat(e)
		} else if l.idle(e, now) {
			l.endIdle(e)
		}
		unborn = unborn || e.notSpawned(now)
	}
	if unborn {
		l.replaceWorkers(ctx)
	}
	switch {
	case l.stalled(now):
		l.heal(ctx, ErrStalled)
	case l.unanswered(now):
		l.heal(ctx, ErrDriverStuck)
	}
	l.lookAtRefused(ctx, now)
	l.listen(now)
	l.publish()
}

// heal gives the session up.
func (l *ledger) heal(ctx actor.Context, reason error) {
	l.emit(Event{Kind: EventHealed, Reason: reason})
	l.broken(ctx, &broken{link: l.link, err: reason})
}

// silence is what the watchdog makes of the fact that nothing comes.
type silence struct {
	since  time.Time // the last delivery, or another reason to expect none
	asking bool      // the broker is being asked what waits
	doubts int       // answers in a row that said that something does
}

// listen asks what waits at the broker, when nothing has come for a while although it could.
func (l *ledger) listen(now time.Time) {
	if !l.up || !l.intake() || l.dry || l.turning || l.held.len() >= l.link.prefetch {
		l.quiet.since, l.quiet.doubts = now, 0
		return
	}
	reporter, can := l.source.(queue.BacklogReporter)
	if !can || l.quiet.asking || now.Sub(l.quiet.since) < quietFor<<min(l.failures, quietDoublings) {
		return
	}
	l.quiet.asking = true
	l.link.askBacklog(reporter)
}

// backlogCounted hears what waits. When it can't be told it is asked again; whether the broker lives is for the session to find out.
func (l *ledger) backlogCounted(ctx actor.Context, msg *backlogCounted) {
	if l.stale(msg.link) {
		return
	}
	l.quiet.asking = false
	switch {
	case msg.err != nil:
	case msg.waiting == 0 || l.quiet.since.After(msg.asked):
		l.quiet.since, l.quiet.doubts = time.Now(), 0
	default:
		l.quiet.doubts++
	}
	if l.quiet.doubts == doubtsEnough {
		l.link.goodbye = silentGoodbye
		l.heal(ctx, ErrSilent)
	}
}

// stalled says that the node is a zombie: connection alive, prefetch full, nobody working, and nothing on its way to the broker or back.
func (l *ledger) stalled(now time.Time) bool {
	if !l.up || !l.intake() || l.busy.len() > 0 || l.held.len() < l.link.prefetch || now.Sub(l.lastProgress) < stillFor {
		return false
	}
	if l.lineup.heldBack() {
		return false // by a policy, which knows when to go on
	}
	for e := range l.held.all() {
		if e.decided() {
			return false // the broker has yet to answer
		}
	}
	return true
}

// unanswered says that the driver owes an answer that the end of its context should have brought long ago: the session, or the end of a cancel or
// a resume.
func (l *ledger) unanswered(now time.Time) bool {
	switch {
	case l.link == nil, l.sessionClosed:
		return false
	case !l.up:
		return now.Sub(l.asked) > l.cfg.OpenTimeout+driverGrace
	}
	return l.turning && now.Sub(l.asked) > closeTimeout+driverGrace || l.answerOwed(now)
}

// replaceWorkers leaves the worker supervisor behind, as if it had ended.
func (l *ledger) replaceWorkers(ctx actor.Context) {
	l.emit(Event{Kind: EventHealed, Reason: ErrWorkersStuck})
	old := l.workers
	actor.Kill(l.sys, old)
	l.workersLost(ctx, ErrWorkersStuck)
	actor.Abandon(ctx, old)
}

// unseat takes the slot and the delivery from a worker that hangs in HandleResult.
func (l *ledger) unseat(e *entry) {
	e.leaveSeat()
	l.cfg.Logger.Error("gentask: HandleResult does not return, settled without it", "consumer", l.cfg.Name, "job", e.delivery.ID)
	ev := l.eventOf(EventHealed, e)
	ev.Reason = ErrHandleResult
	l.emit(ev)
	l.stopWorker(e, ErrHandleResult)
	e.answered()
	l.onWorkerLost(e, ErrHandleResult)
}
