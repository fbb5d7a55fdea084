package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/internal/process"
)

// reconcile makes the consumer follow its state. It runs at the end of each turn, and only it acts
// on several facts together. Handlers change facts, and act only for one delivery. It compares
// before it acts, so that a turn that has changed nothing costs nothing.
func (l *ledger) reconcile(ctx actor.Context) {
	l.drainIfOverridden(ctx)
	if l.incarnation != nil {
		l.startReady(ctx)
	}
	l.reconcileIntake()
	l.giveBackUnstarted()
	l.takeSuspect()
	l.instance.limits.rest(l.waiting.Len())
	l.report.breakers(l.instance.limits.breakerChanges())
	l.reconcileDrain(ctx)
	l.publish()
}

// takesWork reports whether the consumer takes work.
func (l *ledger) takesWork() bool { return l.wouldTakeWork() && !l.instance.limits.suspectBusy() }

// wouldTakeWork reports whether the consumer would take work if there were no suspect.
func (l *ledger) wouldTakeWork() bool {
	lim := l.instance.limits
	return !l.isPaused() && l.drain == nil && !l.instance.saturated() && !lim.breakerOpen() && !lim.starves()
}

// startReady starts the entries that may start, as long as there are free slots. An entry that a
// gate gives back goes to the broker unstarted.
func (l *ledger) startReady(ctx actor.Context) {
	l.probeBreaker(ctx)
	for l.waiting.Len() > 0 && l.busy.Len() < l.instance.limits.slots() && (l.takesWork() || l.suspectMayStart()) {
		now := time.Now()
		item, answer := l.waiting.Next(now)
		if item == nil {
			l.lookAgain(ctx, answer.Until)
			return
		}
		e := entryOf(item)
		if answer.Kind == admission.GiveBack {
			_ = e.settle(Snooze(answer.After), answer.Reason) // it is undecided, as all that wait
			continue
		}
		l.start(e, now)
	}
}

// start gives an entry a slot and a worker.
func (l *ledger) start(e *entry, now time.Time) {
	e.start(now)
	l.busy.Push(e)
	l.waiting.Started(&e.item, now)
	if l.instance.limits.isSuspect(e) {
		l.report.suspect(e)
	}
	l.report.started(e)
	l.count()
	if l.instance.limits.overrides.cancels(e.delivery.ID) {
		e.stop(ErrCancelled)
	}
	l.workers.start(e, l.behaviorOf(e))
}

// suspectMayStart reports whether a suspect is due, nothing comes, and nothing else is held or
// running. It opens the gate for the suspect only then.
func (l *ledger) suspectMayStart() bool {
	s := l.instance.limits.suspects
	if s == nil || s.Due() == nil {
		return false
	}
	ready := l.holdsOnly(1)
	s.SetReady(ready)
	return ready
}

// takeSuspect takes a suspect from its place when nothing comes, and nothing is held or running.
func (l *ledger) takeSuspect() {
	s := l.instance.limits.suspects
	if s != nil && s.WantsFromPlace() && l.holdsOnly(0) {
		s.Place.Ask()
		l.session.link.TakeIsolated()
	}
}

// holdsOnly reports whether the consumer would take work, nothing comes, nothing runs, and n
// deliveries are held. Refused ones don't count.
func (l *ledger) holdsOnly(n int) bool {
	return l.wouldTakeWork() && l.session.phase == phasePaused &&
		l.held.Len()-l.refusals.held() == n && l.busy.Len() == 0
}

// probeBreaker lets an open breaker probe when its wait is over. Unstarted deliveries must be at
// the broker first, because a RabbitMQ channel begins to count its prefetch when it resumes.
func (l *ledger) probeBreaker(ctx actor.Context) {
	if !l.instance.limits.breakerProbes() {
		return
	}
	l.lookAgain(ctx, l.instance.limits.breaker.Probe(time.Now(), !l.anyUnstarted()))
}

// lookAgain makes reconcile run at the given time at the latest. The zero time means never.
func (l *ledger) lookAgain(ctx actor.Context, at time.Time) {
	l.alarm.set(at, func(wait time.Duration) *time.Timer { return process.SendAfter(ctx, wait, &alarmed{at}) })
}

// reconcileIntake makes the broker send while the consumer takes work. A change waits until the
// last one is done: a resume might overtake a cancel.
func (l *ledger) reconcileIntake() {
	switch l.session.phase {
	case phaseReceiving:
		if !l.takesWork() {
			l.session.cancelIntake()
		}
	case phasePaused:
		if l.takesWork() {
			l.session.resumeIntake()
		}
	case phaseOpening:
		if l.drain != nil {
			l.session.link.CloseUnopened()
		}
	case phaseClosed, phasePausing, phaseResuming, phaseClosing:
	}
}

// giveBackUnstarted releases waiting deliveries when nothing comes any more. Before that, the
// broker would send them here again. A suspect that is due stays: the others go for its sake. A
// session is paused only while the consumer takes no work: reconcileIntake comes first.
func (l *ledger) giveBackUnstarted() {
	if l.session.phase != phasePaused || l.waiting.Len() == 0 {
		return
	}
	var stays *admission.Item
	if l.wouldTakeWork() {
		stays = l.instance.limits.suspectDue()
	}
	if stays != nil && l.waiting.Len() == 1 {
		return
	}
	for _, item := range l.waiting.Take() {
		if item == stays {
			l.waiting.Push(item)
			continue
		}
		_ = entryOf(item).settle(Release(), nil) // it is undecided, as all that wait
	}
}

// reconcileDrain advances a drain. It cancels running jobs when the time is over, closes the
// session when everything is settled, and ends the consumer when the session is closed.
func (l *ledger) reconcileDrain(ctx actor.Context) {
	d := l.drain
	if d == nil || d.done {
		return
	}
	// While the broker still sends, cancelled jobs would come here again.
	if d.over && !d.cut && l.session.phase != phasePausing {
		d.cancel(l.busy.Slice())
	}
	if l.busy.Len() > 0 && !d.last {
		return
	}
	switch l.session.phase {
	case phasePaused:
		if l.held.Len() == 0 {
			l.session.close(link.CloseTimeout)
		} else {
			l.returnToBroker(l.refusals.waiting(l.held.Slice()))
		}
	case phaseReceiving, phasePausing, phaseResuming: // it would send right here again
	case phaseOpening, phaseClosing: // reconcileIntake closes the first
	case phaseClosed:
		d.done = true
		d.timer.Stop()
		l.instance.drained(d.report)
		l.report.drained(&d.report)
		actor.Exit(ctx, nil)
	}
}

// publish updates the consumer's Health if it has changed.
func (l *ledger) publish() {
	lim := l.instance.limits
	now := view{
		state: stateOf(l.drain != nil, l.session.open(), l.instance.saturated(), l.isPaused(), lim.breakerState()),
		err:   l.session.err, abandoned: l.abandoned, late: l.late, width: lim.width(), rate: lim.rateNow(),
		shared: lim.shared.count, breaker: lim.breakerState(), keyBreakers: lim.keyBreakers(),
		standby: l.session.silence.standby, starved: lim.starved(),
	}
	if l.refusals.held() > 0 { // there is a session then, and it is unbroken
		now.err = l.refusals.err
	}
	if now != l.shown {
		l.shown = now
		l.instance.show(now, lim.breakers())
	}
}

func (l *ledger) onOpened(k *sessionLink) {
	if l.session.stale(k) {
		return
	}
	l.session.begin()
	l.instance.opened.Store(true)
	l.report.opened()
	l.countSuspects(time.Now())
}

// onDrained is called when nothing comes any more, after a cancel of the intake.
func (l *ledger) onDrained(k *sessionLink) {
	if !l.session.stale(k) {
		l.session.enter(phasePaused)
	}
}

// onFlowing is called when deliveries flow again, after a resume of the intake.
func (l *ledger) onFlowing(k *sessionLink) {
	if !l.session.stale(k) {
		l.session.enter(phaseReceiving)
	}
}

// onBroken ends a session: its deliveries are lost, and the next one is opened after a while. A
// consumer that never had a session gives up if the broker refuses: waiting doesn't mend a mistake.
func (l *ledger) onBroken(ctx actor.Context, k *sessionLink, reason error) {
	if l.session.stale(k) || l.drain != nil && l.session.cutShort() {
		return // the link is being closed already
	}
	kind := l.session.fail(reason, l.cfg.Reconnect.Max)
	l.report.noSession(kind, reason, !l.instance.opened.Load(), l.held.Len())
	l.closeSession(closeWithin(reason))
	if l.instance.givesUp(reason) {
		l.startDrain(ctx, 0)
	}
}

// closeSession closes the session, within the given time, and loses its deliveries.
func (l *ledger) closeSession(within time.Duration) {
	if l.session.phase == phaseClosed || l.session.phase == phaseClosing {
		return
	}
	l.session.close(within)
	l.waiting.Take()
	for _, e := range l.held.Slice() {
		l.lose(e)
	}
	l.instance.limits.sessionClosed()
}

// onClosed is called when the session is closed and the goroutines of its link are gone.
func (l *ledger) onClosed(ctx actor.Context, k *sessionLink) {
	if k != l.session.link {
		return
	}
	l.session.link = nil
	l.session.enter(phaseClosed)
	if l.drain == nil {
		l.openLater(ctx)
	}
}

// heal gives up the session.
func (l *ledger) heal(ctx actor.Context, reason error) {
	l.report.healed(reason)
	l.onBroken(ctx, l.session.link, reason)
}

// onTick checks for impossible states. They are bugs, of the library, of a driver or of the user,
// and the node must go on all the same.
func (l *ledger) onTick(ctx actor.Context) {
	process.SendAfter(ctx, tickEvery, &tick{})
	now := time.Now()
	l.instance.turned(now)
	l.shown = view{} // breakers of keys and the like have changed since
	l.lookAtWorkers(ctx, now)
	switch {
	case l.stalled(now):
		l.heal(ctx, ErrStalled)
	case l.session.link != nil && l.session.link.Hurry(now):
		l.heal(ctx, ErrDriverStuck)
	case l.session.renewalHangs(now):
		l.heal(ctx, ErrSilent)
	}
	l.lookAtRefused(ctx, now)
	l.countSuspects(now)
	l.session.listen(l.source, l.takesWork(), l.held.Len(), now)
}

// lookAtWorkers ends workers that hold a slot without working.
func (l *ledger) lookAtWorkers(ctx actor.Context, now time.Time) {
	stuck := false
	for _, e := range l.busy.Slice() {
		switch {
		case e.handleHangs(now):
			l.report.handleHangs(e)
			l.workers.stop(e, ErrHandleResult)
			l.onWorkerLost(e, ErrHandleResult)
		case l.workers.orphanOf(e) == nil && e.idleTooLong(now):
			l.endIdle(e)
		}
		stuck = stuck || e.notSpawned(now)
	}
	if stuck {
		l.report.healed(ErrWorkersStuck)
		l.workers.replace(ctx)
		l.workersLost(ErrWorkersStuck)
	}
}

// stalled reports whether the session lives, the prefetch is full, no job runs, and nothing is on
// its way. Deliveries that a policy holds back don't count, because it goes on by itself.
func (l *ledger) stalled(now time.Time) bool {
	return l.full() && now.Sub(l.lastProgress) >= stillFor && !l.waiting.HeldBack() &&
		!l.held.ContainsFunc((*entry).decided)
}

// full reports whether nothing can come, although nothing runs.
func (l *ledger) full() bool {
	return l.session.phase == phaseReceiving && l.takesWork() && l.busy.Len() == 0 &&
		l.held.Len() >= l.session.link.Prefetch()
}

// lookAtRefused tries again the deliveries whose floor is over. If such deliveries fill the
// prefetch, others get a turn: undecided ones run, and decided ones are returned once more.
func (l *ledger) lookAtRefused(ctx actor.Context, now time.Time) {
	if !l.refusals.any() {
		l.refusals.jammed = time.Time{}
		return
	}
	held, full := l.held.Slice(), l.full()
	again, back, jammed := l.refusals.look(held, full, now)
	for _, e := range again {
		l.onSettleDue(e)
	}
	for _, e := range held {
		if full && now.Sub(e.received) >= crowdMost {
			l.waiting.LowerFloor(&e.item)
		}
	}
	l.returnToBroker(back)
	if l.refusals.jam(jammed, l.held.Len(), now) {
		l.heal(ctx, ErrJammed)
	}
}

// countSuspects asks the broker now and then whether suspects wait at their place.
func (l *ledger) countSuspects(now time.Time) {
	s := l.instance.limits.suspects
	if s == nil || !l.session.open() || !l.wouldTakeWork() || !l.session.link.Isolates() {
		return
	}
	if s.Place.Count(now) {
		l.session.link.CountIsolated()
	}
}

// onBacklog compares the broker's backlog with the deliveries. After an error the question is
// repeated: the session must detect a dead broker. A silent session first renews its intake, which
// disturbs no running job, and is given up if that does not help.
func (l *ledger) onBacklog(ctx actor.Context, msg *backlogCounted) {
	switch {
	case l.session.stale(msg.From) || !l.session.silence.answered(msg):
	case l.session.silence.renewed:
		l.heal(ctx, ErrSilent)
	case l.session.phase == phaseReceiving:
		l.session.silence.renew(time.Now())
		l.report.renewing()
		l.session.cancelIntake() // reconcileIntake resumes it
	}
}

// onSuspectsCounted begins or ends the turn of suspects.
func (l *ledger) onSuspectsCounted(msg *suspectsCounted) {
	if l.session.stale(msg.From) {
		return
	}
	if msg.Err != nil {
		l.report.log.Warn("gentask: suspects can't be counted", keyError, msg.Err)
	}
	l.instance.limits.suspects.Place.Counted(msg.Waiting, time.Now())
}

// onSuspectTaken ends the turn of suspects if there was none. If there was one, it has come as a
// delivery before.
func (l *ledger) onSuspectTaken(msg *suspectTaken) {
	if !l.session.stale(msg.From) {
		l.instance.limits.suspects.Place.Answered(msg.Found)
	}
}
