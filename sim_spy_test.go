package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/task"
)

// simSpy is a gate that lets everything pass, and sees whether what the ledger starts is what the
// policies allow.
type simSpy struct {
	s *sim
	l *ledger
}

// simSpot is what the spy has recorded of an entry.
type simSpot struct{ begun, ended, gone bool }

// simOrder is an order key in one session.
type simOrder struct {
	link *sessionLink
	key  string
}

// spy has a spy in the present ledger, if there is one.
func (s *sim) spy() {
	p := s.everything
	if p == nil || s.consumer == nil {
		return
	}
	instance := s.consumer.current()
	if instance == nil {
		return
	}
	pid := instance.ledger.Load()
	if pid == nil || pid == p.spied || !actor.Alive(s.sys, pid) {
		return
	}
	p.spied = pid
	s.inLedger(func(s *sim, l *ledger) { s.watch(l) })
}

// watch puts a spy in front of the gates.
func (s *sim) watch(l *ledger) {
	l.waiting.SetGates(append([]admission.Gate{&simSpy{s: s, l: l}}, l.instance.limits.gates()...))
}

func (*simSpy) Pass(*admission.Item, time.Time) admission.Answer { return admission.Answer{} }

func (g *simSpy) Started(it *admission.Item, now time.Time) {
	e := entryOf(it)
	s, l, p := g.s, g.l, g.s.everything
	g.once(e, "begun", func(at *simSpot) bool { was := at.begun; at.begun = true; return was || at.ended || at.gone })
	if l.instance.limits.suspectBusy() {
		held, busy := l.held.Len()-l.refusals.held(), l.busy.Len()
		alone := held == 1 && busy == 1 && l.session.phase == phasePaused
		if it != l.instance.limits.suspectDue() || !alone {
			s.fail("%q was started with a suspect due: %d held, %d at work, phase %d", e.delivery.ID, held, busy, l.session.phase)
		}
	}
	if !l.wouldTakeWork() {
		s.fail("%q was started while no work is taken", e.delivery.ID)
	}
	if n := l.busy.Len(); n > l.instance.limits.width() {
		s.fail("%d are at work, %d may be", n, l.instance.limits.width())
	}
	if p.pool != nil && (p.pool.InUse() > p.pool.Size() || p.pool.free < 0) {
		s.fail("%d of %d places of the pool are taken", p.pool.InUse(), p.pool.Size())
	}
	if q := l.instance.limits.quota; q != nil {
		if q.spare == nil && q.units[it].unit == nil {
			s.fail("%q was started without a unit", e.delivery.ID)
		}
	}
	if q := l.instance.limits.rateQuota; q != nil {
		if q.spare == nil || !p.rate.out {
			s.fail("%q was started without a token", e.delivery.ID)
		}
		p.rate.used()
	}
	if q := l.instance.limits.keyQuota; q != nil && it.FleetKey() != "" && (q.spare == nil || q.spareKey != it.FleetKey()) {
		s.fail("%q was started without a unit of its key", e.delivery.ID)
	}
	if o := s.overridesOf(l); o.Paused.Value || o.BreakerOpen.Value || o.Drained.Value || o.Concurrency.Value > 0 && l.busy.Len() > o.Concurrency.Value {
		s.fail("%q was started as one of %d with %+v", e.delivery.ID, l.busy.Len(), o)
	}
	if n := p.limiter.began(l.instance, s.cfg.Policy.Rate, s.overridesOf(l), "", now); n > 1e-3 {
		s.fail("%g runs too many have begun, the rate is %+v", n, p.limiter.rate)
	}
	if key := it.RateKey(); key != "" {
		if n := p.keyLimiter.began(l.instance, s.cfg.Policy.KeyRate.Rate, p.keyLimiter.known, key, now); n > 1e-3 {
			s.fail("%g runs of key %q too many have begun, the rate is %+v", n, key, p.keyLimiter.rate)
		}
	}
	g.ordered(e)
}

// ordered checks that what has the same order key comes one after the other, as it arrived.
func (g *simSpy) ordered(e *entry) {
	key := e.item.OrderKey()
	if key == "" {
		return
	}
	for x := range g.l.busy.All() {
		if x != e && x.item.OrderKey() == key {
			g.s.fail("%q and %q of order key %q are at work at the same time", x.delivery.ID, e.delivery.ID, key)
		}
	}
	name := simOrder{e.link, key}
	if g.s.everything.last[name] > e.item.Serial {
		g.s.fail("%q of order key %q is started after a later one", e.delivery.ID, key)
	}
	g.s.everything.last[name] = e.item.Serial
}

func (g *simSpy) Ended(it *admission.Item, _ admission.Result, _ time.Time) {
	e := entryOf(it)
	g.once(e, "ended", func(at *simSpot) bool { was := at.ended; at.ended = true; return was })
}

func (g *simSpy) Gone(it *admission.Item, _ admission.Fate, _ time.Time) {
	e := entryOf(it)
	g.once(e, "gone", func(at *simSpot) bool { was := at.gone; at.gone = true; return was })
}

// once checks what a gate is promised.
func (g *simSpy) once(e *entry, what string, twice func(*simSpot) bool) {
	at := g.s.everything.ran[e]
	if twice(&at) {
		g.s.fail("a gate hears of %q that it is %s, after %+v", e.delivery.ID, what, g.s.everything.ran[e])
	}
	g.s.everything.ran[e] = at
	e.mu.Lock()
	e.learn()
	status := e.status
	e.mu.Unlock()
	switch d, _ := e.verdict(); {
	case what == "gone": // decisions count in the order of the ends, as another delivery may have been decided since
	case d.kind == decideAck && status == task.OK:
		g.s.everything.done[e.item.Identity] = true
	case status != 0 && d.kind != undecided && d.kind != decideAck && !e.isDuplicate():
		g.s.everything.done[e.item.Identity] = false // a second delivery of the message was given back, and is to be run again
		g.s.trace.takeBack(e.delivery.ID)
	}
}

// published returns how many messages have that id.
func (s *sim) published(id string) (n int) {
	for _, other := range s.ids {
		if other == id {
			n++
		}
	}
	return n
}

// startable returns one that waits though nothing holds it back.
func startable(l *ledger, now time.Time) *entry {
	for it := range l.waiting.Ready() {
		if !heldBack(l, it, now) {
			return entryOf(it)
		}
	}
	return nil
}

// heldBack reports whether anything holds an item back. It changes nothing.
func heldBack(l *ledger, it *admission.Item, now time.Time) bool {
	if k := it.Keys; k != nil && now.Before(k.NotBefore) {
		return true
	}
	for _, g := range l.waiting.Gates() {
		switch g := g.(type) {
		case *share:
			g.pool.mu.Lock()
			none := g.spare == 0 && g.pool.free == 0
			g.pool.mu.Unlock()
			if none {
				return true
			}
		case *quota:
			if s := (*g.from.Load()).(*simQuota); g.spare == nil && len(s.used) >= s.size { //nolint:forcetypeassert // no other is set
				return true
			}
		case *rateQuota:
			if s := (*g.from.Load()).(*simRate); g.spare == nil && !s.has(now) { //nolint:forcetypeassert // likewise
				return true
			}
		case *keyQuota:
			key := it.FleetKey()
			one := (*g.from.Load()).(*simKeys).of(key) //nolint:forcetypeassert // likewise
			if key != "" && (g.spare == nil || g.spareKey != key) && len(one.used) >= one.size {
				return true
			}
		case *admission.Breaker:
			if g.State() == breaker.Open || !g.Admits(now) {
				return true
			}
		case *admission.Suspects:
			if g.Busy() || g.Suspected(it) {
				return true
			}
		default:
			if g.Pass(it, now).Kind != admission.Admit {
				return true
			}
		}
	}
	return false
}

// flows checks at rest that what may start has started, and that an open breaker will look again.
func (s *sim) flows(l *ledger) {
	now := time.Now()
	if l.takesWork() && l.busy.Len() < l.instance.limits.slots() {
		if e := startable(l, now); e != nil {
			s.fail("at rest, %q waits for a slot, %d of %d are taken, and nothing holds it back: %d wait, alarm at %v",
				e.delivery.ID, l.busy.Len(), l.instance.limits.slots(), l.waiting.Len(), l.alarm.at.Sub(s.begun))
		}
	}
	if q := l.instance.limits.quota; q != nil && q.spare != nil {
		s.fail("at rest, a unit of the quota is reserved for no job")
	}
	if q := l.instance.limits.keyQuota; q != nil && q.spare != nil {
		s.fail("at rest, a unit of a key is reserved for no job")
	}
	if q := l.instance.limits.rateQuota; q != nil && q.spare != nil {
		s.fail("at rest, a token of the rate is reserved for no job")
	}
	if f := l.instance.limits.breaker; f != nil && f.State() == breaker.Open && now.After(f.NextProbe()) && !l.anyUnstarted() &&
		!s.overridesOf(l).BreakerOpen.Value {
		s.fail("at rest, the breaker is open, and was to probe %v ago", now.Sub(f.NextProbe()))
	}
}

// allowed checks that a run is one that the message allows.
func (s *sim) allowed(job Job[any]) {
	p, h := s.everything, job.entry.delivery.Headers
	if p == nil {
		return
	}
	if due, err := time.Parse(time.RFC3339Nano, h["due"]); err == nil && time.Now().Before(due) {
		s.fail("%q runs %v before its time", job.ID(), time.Until(due))
	}
	done := p.done[job.entry.item.Identity] || s.trace.wasDone(job.ID()) && s.published(job.ID()) == 1
	if s.consumer.dedup != nil && job.Redelivered() && done && !p.early[job.ID()] {
		s.fail("%q was done, is delivered again, and runs again", job.ID())
	}
	key := job.entry.item.OrderKey()
	for _, runs := range s.active {
		for _, r := range runs {
			if other := r.job.entry; key != "" && other.item.OrderKey() == key && other != job.entry && !r.task.Over() {
				s.fail("runs of %q and %q, of order key %q, at the same time", other.delivery.ID, job.ID(), key)
			}
		}
	}
}
