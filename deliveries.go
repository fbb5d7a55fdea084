package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/internal/supervise"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// onDelivered adds a delivery to the ledger.
func (l *ledger) onDelivered(e *entry) {
	if l.session.stale(e.link) {
		return // the session has ended, and with it the delivery
	}
	l.serial++
	e.item.Serial = l.serial
	l.held.Push(e)
	if l.instance.limits.shared.note(e.item.Identity) {
		l.report.log.Warn("gentask: messages share an id: see Health.SharedIDs", keyJob, bounded(e.delivery.ID))
	}
	l.lastProgress = e.received
	if l.session.brought(e.received) {
		l.report.healed(ErrSilent)
	}
	l.count()
	known := l.refusals.recalled(e, e.received)
	if known != nil && e.delivery.Redelivered {
		e.item.Attempt = known.attemptOf(e.delivery)
	}
	moves := l.instance.limits.suspect(e)
	l.report.received(e)
	if known != nil && l.refusals.recall(e, known) {
		return
	}
	l.admit(e, moves)
}

// admit queues a delivery for its slot, unless this node can't do it, it has no attempt left, or it
// moves to the place for suspects.
func (l *ledger) admit(e *entry, moves bool) {
	if d, reason := e.beforeAdmission(l.behaviorOf(e)); d.kind != undecided {
		_ = e.settle(d, reason) // it is undecided, as all deliveries that come
		return
	}
	switch {
	case moves:
		e.link.Isolate([]*entry{e}, []queue.Settlement{e.settledBy(queue.Release)})
		return
	case e.item.Isolated:
		l.instance.limits.suspects.Took(&e.item)
	}
	l.waiting.Push(&e.item)
}

// behaviorOf returns the behaviour for an entry: see [Mux].
func (l *ledger) behaviorOf(e *entry) Behavior { return l.behavior.of(&e.delivery.Message) }

// onWorkerGone takes over from a worker of the library's own, and carries out its decision.
func (l *ledger) onWorkerGone(w *worker) {
	e := w.entry
	if !e.busy() {
		return // it was given up before
	}
	if e.decided() {
		l.onDecided(e)
	}
	l.onWorkerLost(e, w.Reason())
}

// onWorkerEnded takes over from a user's worker that is gone for good.
func (l *ledger) onWorkerEnded(msg *supervise.Ended) {
	if e, ok := msg.Tag.(*entry); ok && e.busy() {
		l.onWorkerLost(e, msg.Reason)
	}
}

// onWorkerLost frees the slot, unless a task still runs.
func (l *ledger) onWorkerLost(e *entry, reason error) {
	if l.workers.lost(e, reason) {
		l.freeSlot(e, reason)
	}
}

// endIdle takes slot and delivery from an idle worker made by [Actor]. Without a decision the job
// has timed out, unless it was stopped before.
func (l *ledger) endIdle(e *entry) {
	reason := e.toldCause()
	if reason == nil {
		reason = ErrWorkerIdle
		l.report.workerIdle(e)
		e.timeOut()
	}
	l.workers.stop(e, reason)
	l.onWorkerLost(e, reason)
}

// onOrphanEnded frees the slot of a task that had lost its worker.
func (l *ledger) onOrphanEnded(o *task.Outcome[any]) {
	left := l.workers.ended(o)
	if left == nil {
		return
	}
	if o.Status == task.OK && l.behaviorOf(left.entry).byDefault {
		// The work is done, and the worker would only have acknowledged it.
		_ = left.entry.settle(Ack(), nil)
	}
	l.freeSlot(left.entry, left.reason)
}

// freeSlot is called when worker and task are gone. Without a decision, the default policy decides.
func (l *ledger) freeSlot(e *entry, reason error) {
	l.busy.Remove(e)
	l.lastProgress = time.Now()
	if !e.decided() {
		_ = e.settle(e.byDefault(reason)) // or lost: then nothing is owed
	}
	if (e.deferred || !e.sent) && l.keeps(e) { // otherwise the link has its settlement
		l.again(e)
		return
	}
	l.waiting.Ended(&e.item, l.resultOf(e), l.lastProgress)
	if e.deferred && l.held.Has(e) {
		e.link.Settle(e, e.settlement())
	}
	l.emitDone(e)
}

// keeps reports whether e, which is decided, stays held to be run again here: see Order.Strict. A
// consumer that takes no work keeps nothing. Time may have passed since the decision, if it was
// taken early.
func (l *ledger) keeps(e *entry) bool {
	d, _ := e.verdict()
	if !l.held.Has(e) || !e.holds(d) || e.outlasts(max(d.wait(), e.after)) {
		return false
	}
	flows := l.takesWork() && (l.session.phase == phaseReceiving || l.session.phase == phasePausing)
	return flows || l.instance.limits.isSuspect(e) && l.wouldTakeWork()
}

// again queues the delivery of e for its next attempt, at its place. Its worker and task must be
// gone.
func (l *ledger) again(e *entry) {
	l.pace(e)
	d, _ := e.verdict()
	disposition, _ := d.disposition()
	wait := max(d.wait(), e.after)
	next := e.nextAttempt(d)
	l.held.Remove(e)
	l.held.Push(next)
	at := l.lastProgress.Add(wait)
	l.waiting.PushAgain(&e.item, &next.item, l.resultOf(e), fateOf(disposition), at, l.lastProgress)
	e.closed, e.inPlace, e.after, e.disposition = true, true, wait, disposition
	l.emitDone(e)
	l.report.received(next)
}

// pace delays the next delivery of a message that keeps coming back without a wait and without
// losing an attempt. It is called when a decision is carried out, once for each delivery.
func (l *ledger) pace(e *entry) {
	if e.paced {
		return
	}
	e.paced = true
	d, _ := e.verdict()
	switch disposition, _ := d.disposition(); {
	case disposition == queue.Ack || disposition == queue.DeadLetter:
		l.instance.limits.comebacks.settled(e.item.Identity)
	case l.drain == nil && e.loops(d):
		e.after = l.instance.limits.comebacks.another(e.item.Identity)
	}
}

// resultOf describes the last run of an entry for the gates. It is the zero Result if there are
// none.
func (l *ledger) resultOf(e *entry) admission.Result {
	if !l.waiting.Gated() {
		return admission.Result{}
	}
	return e.result()
}

// onDecided carries out a decision.
func (l *ledger) onDecided(e *entry) {
	if e.sent {
		return // posted twice: early, and by the worker's end
	}
	e.sent = true
	if d, reason := e.verdict(); d.kind == decidePauseConsumer {
		l.pause(true, e, reason)
	}
	if !l.held.Has(e) {
		return // it was lost with its session
	}
	l.lastProgress = time.Now()
	e.settleTime = l.lastProgress.Sub(e.received)
	l.pace(e)
	if e.busy() && l.keeps(e) {
		e.deferred = true
		return
	}
	if e.mustSave() {
		e.saveDone(func() { e.incarnation.tell(&settleDue{entry: e}) })
		return
	}
	e.link.Settle(e, e.settlement())
}

// onSettleDue passes on the settlement of an entry, unless the driver has it already.
func (l *ledger) onSettleDue(e *entry) {
	if l.held.Has(e) && l.refusals.hand(e) {
		e.link.Settle(e, e.settlement())
	}
}

// onSettled removes the entries that the broker has settled. Others are tried again later, or their
// deliveries are returned.
func (l *ledger) onSettled(ctx actor.Context, msg *settled) {
	if l.session.stale(msg.From) {
		return
	}
	var hopeless []*entry
	for i, e := range msg.Entries {
		s := &msg.Settlements[i]
		reason, refused := msg.Failed[s.Delivery.Tag]
		switch {
		case !l.held.Has(e) || msg.Over:
		case !refused:
			l.remove(e, s)
		case l.onRefused(ctx, e, reason, msg.Late):
			hopeless = append(hopeless, e)
		}
	}
	l.returnToBroker(hopeless)
	over, err := msg.Over, msg.Err
	msg.Recycle()
	if over {
		l.onBroken(ctx, l.session.link, err)
	}
}

// onRefused keeps a delivery whose settlement the broker has not taken, to try again later. It
// reports whether the delivery should be returned instead.
func (l *ledger) onRefused(ctx actor.Context, e *entry, reason error, late bool) (hopeless bool) {
	if guard.Is(reason, queue.ErrSettled) {
		l.notHeld(e, reason)
		return false
	}
	if late {
		reason = fmt.Errorf("%w for %v: %w", ErrSettleTimeout, link.SettleTimeout, reason)
	}
	hopeless = l.refusals.refused(e, reason, late, time.Now())
	l.report.settleFailed(e, reason)
	if s := l.instance.limits.suspects; s != nil {
		s.Refused(&e.item)
	}
	if !hopeless {
		l.settleLater(ctx, e)
	}
	return hopeless
}

// settleLater tries the settlement of e again after a while.
func (l *ledger) settleLater(ctx actor.Context, e *entry) {
	wait := l.refusals.tryAfter(e, func(n int) time.Duration { return l.cfg.Reconnect.delay(n, l.cfg.random) })
	process.SendAfter(ctx, wait, &settleDue{e})
}

// notHeld removes an entry whose delivery the driver does not hold.
func (l *ledger) notHeld(e *entry, reason error) {
	l.report.notHeld(e, reason)
	l.lose(e)
}

// returnToBroker asks the driver to return deliveries.
func (l *ledger) returnToBroker(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	now := time.Now()
	settlements := make([]queue.Settlement, len(entries))
	for i, e := range entries {
		settlements[i] = l.refusals.give(e, now)
	}
	l.session.link.Return(entries, settlements)
}

// onReturned removes the entries whose deliveries were returned. The others are tried again.
func (l *ledger) onReturned(ctx actor.Context, msg *returned) {
	if l.session.stale(msg.From) {
		return
	}
	for i, e := range msg.Entries {
		s := &msg.Settlements[i]
		reason, failed := msg.Failed[s.Delivery.Tag]
		switch {
		case !l.held.Has(e) || msg.Over:
		case failed && guard.Is(reason, queue.ErrSettled):
			l.notHeld(e, reason)
		case failed || msg.Unsupported:
			if failed {
				l.report.notReturned(e, reason)
			}
			l.refusals.notReturned(e)
			l.settleLater(ctx, e)
		default:
			r := l.refusals.returned(e)
			l.report.returned(e, s, r.reason, r.turned)
			e.reject(r.reason)
			e.returned = true
			l.gone(e, admission.Lost)
		}
	}
	if msg.Over {
		l.onBroken(ctx, msg.From, msg.Err)
	}
}

// onIsolated removes the entries that were moved. Others run here, alone, and are counted by the
// broker.
func (l *ledger) onIsolated(ctx actor.Context, msg *suspectsIsolated) {
	if l.session.stale(msg.From) {
		return
	}
	for i, e := range msg.Entries {
		reason, failed := msg.Failed[e.delivery.Tag]
		switch {
		case !l.held.Has(e) || msg.Over:
		case failed && guard.Is(reason, queue.ErrSettled):
			l.notHeld(e, reason)
		case failed:
			l.report.settleFailed(e, reason)
			e.item.Attempt = e.delivery.Attempt
			l.admit(e, false)
		default:
			_ = e.decide(Release(), nil) // nothing else decides about it
			e.sent = true
			l.remove(e, &msg.Settlements[i])
			l.instance.limits.suspects.Place.Waits(time.Now())
		}
	}
	if msg.Over {
		l.onBroken(ctx, msg.From, msg.Err)
	}
}

// remove removes an entry whose delivery is settled.
func (l *ledger) remove(e *entry, s *queue.Settlement) {
	l.refusals.settled(e, s.Disposition)
	e.disposition, e.after = s.Disposition, s.After
	l.gone(e, fateOf(s.Disposition))
}

// lose removes an entry whose session is over: the broker delivers the message again.
func (l *ledger) lose(e *entry) {
	l.refusals.lost(e, time.Now())
	e.lose()
	if !l.cfg.FinishLost {
		e.stop(ErrSessionLost)
	}
	l.gone(e, admission.Lost)
}

// gone removes an entry from the ledger: nothing is owed to the broker.
func (l *ledger) gone(e *entry, how admission.Fate) {
	l.held.Remove(e)
	e.closed = true
	l.lastProgress = time.Now()
	e.settleTime = l.lastProgress.Sub(e.received) - e.settleTime
	l.waiting.Gone(&e.item, how, l.lastProgress)
	l.drain.removed(e)
	l.emitDone(e)
}

// emitDone reports the end of a delivery when nothing is owed to the broker, and its worker and
// task are gone.
func (l *ledger) emitDone(e *entry) {
	l.count()
	if e.closed && !e.busy() {
		l.report.done(e)
	}
}

// count publishes how many jobs run, and how many deliveries are held.
func (l *ledger) count() { l.instance.gauges.set(l.busy.Len(), l.held.Len()) }

// anyUnstarted reports whether a delivery is held that is neither running nor refused.
func (l *ledger) anyUnstarted() bool {
	return l.held.ContainsFunc(func(e *entry) bool { return !e.busy() && !l.refusals.has(e) })
}
