package gentask

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// returned takes an entry out of the ledger: its delivery is back at the broker, unsettled.
func (l *ledger) returned(e *entry, s *queue.Settlement) {
	r := l.refused[e]
	d, _ := e.verdict()
	ev := l.eventOf(EventReturned, e)
	ev.Disposition, ev.After, ev.Reason = s.Disposition, s.After, r.reason
	l.emit(ev)
	if !r.turned {
		l.cfg.Logger.Log(context.Background(), d.weight(), "gentask: settlement not taken, delivery returned to the broker",
			"consumer", l.cfg.Name, "job", e.delivery.ID, "attempt", e.attempt, "decision", d.String(), "error", r.reason)
	}
	e.reject(r.reason)
	delete(l.refused, e)
	l.held.drop(e)
	l.lastProgress = time.Now()
	e.closed, e.returned = true, true
	l.lineup.gone(e, l.lastProgress)
	l.drain.removed(e)
	l.emitDone(e)
	l.publish()
}

// reject makes the refusal the reason of the entry's end.
func (e *entry) reject(refusal error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reason = fmt.Errorf("%w: %w", ErrReturned, refusal)
}

// weight returns how loud it is to be told that the decision was not carried out.
func (d Decision) weight() slog.Level {
	if d.kind == decideAck || d.kind == decideDeadLetter {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// remember keeps what was decided about the delivery of e, for when it comes back.
func (l *ledger) remember(e *entry, r *refusal) *returnee {
	d, reason := e.verdict()
	one := &returnee{wish: d, reason: reason, refusal: r.reason, attempt: e.attempt, seen: e.delivery.Attempt, times: r.times()}
	if d.kind == decideRequeue {
		one.attempt++
	}
	if r.turned {
		one.until, one.due, one.turns = r.known.until, r.known.due, r.known.turns+1
	} else {
		one.times++
		one.until, one.due = time.Now().Add(floor(one.times)), time.Now().Add(d.after)
	}
	l.instance.limits.returned.put(&e.delivery.Message, one)
	return one
}

// rememberLost is remember for a delivery that is lost with its session.
func (l *ledger) rememberLost(e *entry, r *refusal) {
	one := l.remember(e, r)
	one.lost, one.attempt, one.times = true, e.attempt+1, r.times()
	if !r.turned {
		one.until = time.Now()
	}
}

// times returns how often the delivery was returned before.
func (r *refusal) times() int {
	if r.known == nil {
		return 0
	}
	return r.known.times
}

// recount corrects the attempt of a delivery that has come back.
func (l *ledger) recount(e *entry) {
	if one := l.instance.limits.returned.recalled(e.delivery, e.received); one != nil && e.delivery.Redelivered {
		e.attempt = one.attemptOf(e.delivery)
	}
}

// recall does with a delivery that has come back what was decided about it before, without running it, or has it wait for its floor. It
// reports whether the entry is decided.
func (l *ledger) recall(e *entry) bool {
	now := time.Now()
	one := l.instance.limits.returned.recalled(e.delivery, now)
	if one == nil {
		return false
	}
	from, d := later(one.until, now), one.wish
	if !e.delivery.Redelivered { // published again, for example out of the dead letters; or the driver can't tell
		e.waitUntil(from)
		return false
	}
	if d.kind != decideAck && d.kind != decideDeadLetter {
		rest := one.due.Sub(from)
		if rest < floorBase {
			e.waitUntil(from)
			return false
		}
		d = Snooze(rest)
	}
	if from.Equal(now) {
		_ = e.settle(d, one.reason) // as nobody else has
		return true
	}
	_ = e.decide(d, one.reason)
	e.sent = true
	r := l.refusalOf(e, now)
	r.due, r.reason = from, one.refusal
	l.lastError = one.refusal
	l.publish()
	return true
}

// early puts a delivery off once more that its broker could not keep for as long as was asked, and reports whether it is one.
func (e *entry) early() bool {
	wait := time.Until(e.delivery.NotBefore)
	if e.delivery.NotBefore.IsZero() || wait <= 0 {
		return false
	}
	_ = e.settle(Snooze(wait), nil) // as nobody else has
	return true
}

// waitUntil has the entry wait for its floor before it is started.
func (e *entry) waitUntil(at time.Time) {
	var own terms
	if e.spot.terms != nil {
		own = *e.spot.terms
	}
	own.notBefore, own.floor = at, true
	e.spot.terms = &own
}

// forget drops what is remembered of a delivery that is settled, unless it waits for its floor still and was given back unstarted.
func (l *ledger) forget(e *entry, disposition queue.Disposition) {
	_, refused := l.refused[e]
	if refused || disposition != queue.Release || !e.started.IsZero() {
		l.instance.limits.returned.drop(&e.delivery.Message)
	}
	delete(l.refused, e)
	l.instance.limits.jams = 0
}

// forgetLost is forget for a delivery that is lost: what was decided about it is remembered.
func (l *ledger) forgetLost(e *entry) {
	r := l.refused[e]
	if r == nil {
		return
	}
	r.turned = r.known != nil && r.tries == 0
	if e.decided() {
		l.rememberLost(e, r)
	}
	delete(l.refused, e)
}

// full reports whether nothing can come, although nothing runs.
func (l *ledger) full() bool {
	return l.up && l.intake() && !l.dry && l.busy.len() == 0 && l.held.len() >= l.link.prefetch
}

// lookAtRefused tries again what has waited for its floor. When such deliveries fill the prefetch and nothing runs, they wait for less, so
// that others get their turn: what is to be run again is run, and what is decided is returned once more.
func (l *ledger) lookAtRefused(ctx actor.Context, now time.Time) {
	if !l.up || len(l.refused) == 0 && len(l.instance.limits.returned.of) == 0 {
		l.jammed = time.Time{}
		return
	}
	full, noWay := l.full(), 0
	var back []*entry
	for _, e := range l.held.entries() {
		r := l.refused[e]
		switch {
		case r == nil:
			if full {
				l.lowerFloor(e, now)
			}
		case r.noWay:
			noWay++
		case r.handed || r.due.IsZero():
		case !now.Before(r.due):
			l.retry(e)
		case full && now.Sub(e.received) >= min(floor(r.known.turns+1), crowdMost):
			r.turned = true
			back = append(back, e)
		}
	}
	l.giveBack(back)
	l.lookAtJam(ctx, now, full && noWay == l.held.len())
}

// lowerFloor lets an entry start that has waited for a while.
func (l *ledger) lowerFloor(e *entry, now time.Time) {
	t := e.spot.terms
	if t == nil || !t.floor || e.spot.state != spotWaiting || now.Sub(e.received) < crowdMost {
		return
	}
	t.notBefore, t.floor = now, false
	l.lineup.stir()
}

// lookAtJam ends the session when nothing that it holds can be settled or returned: the last resort, and less and less often.
func (l *ledger) lookAtJam(ctx actor.Context, now time.Time, jammed bool) {
	switch {
	case !jammed:
		l.jammed = time.Time{}
	case l.jammed.IsZero():
		l.jammed = now
	case now.Sub(l.jammed) >= min(jamFor<<min(l.instance.limits.jams, 20), jamMost):
		l.jammed = time.Time{}
		l.instance.limits.jams++
		l.instance.limits.stuck = min(2*l.held.len(), mostStuck)
		l.heal(ctx, ErrJammed)
	}
}

// roomFor returns how much larger than Config.Prefetch that of the next session is to be: twice what had filled the last one that was jammed, as
// long as any of it is remembered.
func (f *limits) roomFor(remembered int) int {
	if remembered == 0 {
		f.stuck = 0
	}
	return f.stuck
}

// returnWaiting returns what waits for its floor, for a consumer that drains.
func (l *ledger) returnWaiting() {
	var back []*entry
	for _, e := range l.held.entries() {
		if r := l.refused[e]; r != nil && !r.handed && !r.due.IsZero() {
			r.turned = true
			back = append(back, e)
		}
	}
	l.giveBack(back)
}

// unstarted counts what is held and neither at work nor refused: what waits, and what is on its way back.
func (l *ledger) unstarted() int {
	n := l.held.len() - len(l.refused)
	for e := range l.busy.all() {
		if _, refused := l.refused[e]; l.held.has(e) && !refused {
			n--
		}
	}
	return n
}

// answerOwed reports whether the driver owes an answer to a settlement or a return that it should have given long ago. A settlement that
// takes too long is cut first.
func (l *ledger) answerOwed(now time.Time) bool {
	acks, copies := l.link.acks.hurry(now), l.link.copies.hurry(now)
	for _, r := range l.refused {
		if !r.asked.IsZero() && now.Sub(r.asked) > closeTimeout+driverGrace {
			return true
		}
	}
	return acks || copies
}
