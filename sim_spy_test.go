package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// simSpy is a gate that lets everything pass, and sees whether what the ledger starts is what the policies allow.
type simSpy struct {
	s *sim
	l *ledger
}

// simSpot is what the spy knows of an entry.
type simSpot struct{ begun, ended, gone bool }

// simOrder is an order key in one session.
type simOrder struct {
	link *link
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
	s.inLedger(func(s *sim, l *ledger) {
		l.lineup.gates = append([]gate{&simSpy{s: s, l: l}}, l.lineup.gates...) // in front: that of the pool stays the last
	})
}

func (*simSpy) pass(*entry, time.Time) (v verdict, until time.Time) { return admit, time.Time{} }

func (g *simSpy) begun(e *entry, now time.Time) {
	s, l, p := g.s, g.l, g.s.everything
	g.once(e, "begun", func(at *simSpot) bool { was := at.begun; at.begun = true; return was || at.ended || at.gone })
	if l.instance.limits.suspects.busy() {
		if held, busy := l.held.len()-len(l.refused), l.busy.len(); e != l.instance.limits.suspects.due || held != 1 || busy != 1 || !l.dry {
			s.fail("%q was started with a suspect due: %d held, %d at work, dry %v", e.delivery.ID, held, busy, l.dry)
		}
	}
	if !l.willing() {
		s.fail("%q was started while no work is taken", e.delivery.ID)
	}
	if n := l.busy.len(); n > l.width() {
		s.fail("%d are at work, %d may be", n, l.width())
	}
	if p.pool != nil && (p.pool.InUse() > p.pool.Size() || p.pool.free < 0) {
		s.fail("%d of %d places of the pool are taken", p.pool.InUse(), p.pool.Size())
	}
	if n := p.limiter.began(l.instance, s.cfg.Policy.Rate, "", now); n > 1e-3 {
		s.fail("%g runs too many have begun, the rate is %+v", n, p.limiter.rate)
	}
	if key := e.spot.rate(); key != "" {
		if n := p.keyLimiter.began(l.instance, s.cfg.Policy.KeyRate.Rate, key, now); n > 1e-3 {
			s.fail("%g runs of key %q too many have begun, the rate is %+v", n, key, p.keyLimiter.rate)
		}
	}
	g.ordered(e)
}

// ordered checks that what has the same order key comes one after the other, as it arrived.
func (g *simSpy) ordered(e *entry) {
	key := e.spot.order()
	if key == "" {
		return
	}
	for x := range g.l.busy.all() {
		if x != e && x.spot.order() == key {
			g.s.fail("%q and %q of order key %q are at work at the same time", x.delivery.ID, e.delivery.ID, key)
		}
	}
	name := simOrder{e.link, key}
	if g.s.everything.last[name] > e.serial {
		g.s.fail("%q of order key %q is started after a later one", e.delivery.ID, key)
	}
	g.s.everything.last[name] = e.serial
}

func (g *simSpy) ended(e *entry, _ time.Time) {
	g.once(e, "ended", func(at *simSpot) bool { was := at.ended; at.ended = true; return was })
}

func (g *simSpy) gone(e *entry, _ time.Time) {
	g.once(e, "gone", func(at *simSpot) bool { was := at.gone; at.gone = true; return was })
}

// once checks what a gate is promised.
func (g *simSpy) once(e *entry, what string, twice func(*simSpot) bool) {
	at := g.s.everything.ran[e]
	if twice(&at) {
		g.s.fail("a gate hears of %q that it is %s, after %+v", e.delivery.ID, what, g.s.everything.ran[e])
	}
	g.s.everything.ran[e] = at
	status, _ := e.result()
	switch d, _ := e.verdict(); {
	case !at.ended || !at.gone:
	case e.disposition == queue.Ack && status == task.OK:
		g.s.everything.done[e.identity] = true
	case (status == task.Exit || status == task.Timeout) && d.kind != undecided && d.kind != decideAck && !e.isDuplicate():
		g.s.everything.done[e.identity] = false // a second delivery of the message has failed, and is to be tried again
		g.s.trace.undone(e.delivery.ID)
	}
}

// published says how many messages have that id.
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
	for t := l.lineup.turns.first; t != nil; t = t.next {
		for e := t.head; e != nil; e = e.spot.next {
			if !heldBack(l, e, now) {
				return e
			}
		}
	}
	return nil
}

// heldBack says whether anything holds e back. It changes nothing.
func heldBack(l *ledger, e *entry, now time.Time) bool {
	if t := e.spot.terms; t != nil && now.Before(t.notBefore) {
		return true
	}
	for _, g := range l.lineup.gates {
		switch g := g.(type) {
		case *poolGate:
			g.share.pool.mu.Lock()
			none := g.share.spare == 0 && g.share.pool.free == 0
			g.share.pool.mu.Unlock()
			if none {
				return true
			}
		case *breakerGate:
			if g.circuit.State() == breaker.Open || !g.circuit.Admits(now) {
				return true
			}
		default:
			if v, _ := g.pass(e, now); v != admit {
				return true
			}
		}
	}
	return false
}

// flows checks at rest that what may start has started, and that an open breaker will look again.
func (s *sim) flows(l *ledger) {
	now := time.Now()
	if l.intake() && l.busy.len() < l.slots() {
		if e := startable(l, now); e != nil {
			s.fail("at rest, %q waits for a slot, %d of %d are taken, and nothing holds it back: %d wait, alarm at %v",
				e.delivery.ID, l.busy.len(), l.slots(), l.lineup.len(), l.alarm.at.Sub(s.begun))
		}
	}
	if f := l.instance.limits.breaker; f != nil && f.State() == breaker.Open && now.After(f.NextProbe()) && l.unstarted() == 0 {
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
	done := p.done[job.entry.identity] || s.trace.wasDone(job.ID()) && s.published(job.ID()) == 1
	if s.consumer.dedup != nil && job.Redelivered() && done && !p.early[job.ID()] {
		s.fail("%q was done, is delivered again, and runs again", job.ID())
	}
	key := job.entry.spot.order()
	for _, runs := range s.active {
		for _, r := range runs {
			if other := r.job.entry; key != "" && other.spot.order() == key && other != job.entry && !r.task.Over() {
				s.fail("runs of %q and %q, of order key %q, at the same time", other.delivery.ID, job.ID(), key)
			}
		}
	}
}
