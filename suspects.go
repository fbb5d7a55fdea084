package gentask

import (
	"strconv"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// onPlace handles the answers of the link about the place for suspects.
func (l *ledger) onPlace(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *suspectsIsolated:
		l.onIsolated(ctx, msg)
	case *suspectsCounted:
		l.onSuspectsCounted(msg)
	case *suspectTaken:
		l.onSuspectTaken(msg)
	}
}

// enqueue moves a delivery to the place for suspects, or queues it for its slot.
func (l *ledger) enqueue(e *entry, moves bool) {
	if moves {
		l.isolate(e)
		return
	}
	if e.item.Isolated {
		l.instance.limits.suspects.Took(&e.item)
	}
	l.waiting.Push(&e.item)
}

// suspect completes the item of a delivery that has come, and counts its attempts as the place
// for suspects requires. It reports whether the delivery must be moved there.
func (l *ledger) suspect(e *entry) (moves bool) {
	s := l.instance.limits.suspects
	e.item.Isolated = e.delivery.Isolated
	if used, marked := e.delivery.Headers[queue.HeaderSuspect]; marked || e.item.Isolated {
		e.item.Marked = true
		if n, err := strconv.ParseInt(used, 10, 32); err == nil && n >= 0 {
			e.item.Used = int32(n)
		}
	}
	if !s.Suspected(&e.item) || !e.link.Isolates() {
		return false
	}
	e.item.Attempt = s.AttemptOf(&e.item)
	return !e.item.Isolated
}

// isolate moves a delivery to the place for suspects.
func (l *ledger) isolate(e *entry) {
	one := queue.Settlement{
		Delivery: e.delivery, Disposition: queue.Release,
		Attempt: e.item.Attempt, Uncounted: max(e.delivery.Attempt-e.item.Attempt, 0),
	}
	e.link.Isolate([]*entry{e}, []queue.Settlement{one})
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

// takeSuspect takes a suspect from its place when nothing comes, and nothing is held or running.
func (l *ledger) takeSuspect() {
	s := l.instance.limits.suspects
	if s == nil || !s.WantsFromPlace() || !l.wouldTakeWork() || l.session.phase != phasePaused ||
		l.held.Len() > l.refusals.held() || l.busy.Len() > 0 {
		return
	}
	s.Place.Ask()
	l.session.link.TakeIsolated()
}

// onSuspectTaken ends the turn of suspects if there was none. If there was one, it has come as a
// delivery before.
func (l *ledger) onSuspectTaken(msg *suspectTaken) {
	if !l.session.stale(msg.From) {
		l.instance.limits.suspects.Place.Answered(msg.Found)
	}
}
