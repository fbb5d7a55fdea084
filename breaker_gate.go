package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/breaker"
)

// breakerGate holds everything back while the consumer's breaker is open, and all but the probe while it probes.
type breakerGate struct {
	ledger  *ledger
	circuit *circuit
	tickets map[*entry]breaker.Ticket
}

func newBreakerGate(l *ledger, f *circuit) *breakerGate {
	f.Forget() // what was on its way belonged to the ledger before
	return &breakerGate{ledger: l, circuit: f, tickets: map[*entry]breaker.Ticket{}}
}

func (g *breakerGate) pass(_ *entry, now time.Time) (v verdict, until time.Time) {
	was := g.circuit.State()
	admits := g.circuit.Admits(now)
	g.ledger.breakerTurned(g.circuit, was, "")
	if admits {
		return admit, time.Time{}
	}
	return block, g.circuit.NextProbe()
}

func (g *breakerGate) begun(e *entry, _ time.Time) { g.tickets[e] = g.circuit.Begin() }

func (g *breakerGate) ended(e *entry, now time.Time) {
	was := g.circuit.State()
	g.circuit.end(g.tickets[e], e, now)
	delete(g.tickets, e)
	g.ledger.breakerTurned(g.circuit, was, "")
}

func (*breakerGate) gone(*entry, time.Time) {}

// end passes on what the run says.
func (f *circuit) end(t breaker.Ticket, e *entry, now time.Time) {
	was, result := f.State(), e.signal()
	f.End(t, now, result)
	if f.State() == breaker.Open && was != breaker.Open {
		_, f.cause = e.verdict()
	}
}

// lookAtBreaker has the intake resumed when an open breaker's time is up: nothing else would, for nothing comes. It is part of every turn. What has
// not been started is to be back at the broker first: a RabbitMQ channel counts its prefetch anew when it resumes.
func (l *ledger) lookAtBreaker(ctx actor.Context) {
	f := l.instance.limits.breaker
	if f == nil || f.State() != breaker.Open {
		return
	}
	switch now := time.Now(); {
	case now.Before(f.NextProbe()):
		l.setAlarm(ctx, f.NextProbe())
	case l.unstarted() == 0:
		f.Admits(now)
		l.breakerTurned(f, breaker.Open, "")
	}
}

// breakerOpen says that the consumer's breaker takes no work.
func (l *ledger) breakerOpen() bool {
	f := l.instance.limits.breaker
	return f != nil && f.State() == breaker.Open
}

func (l *ledger) breakerProbes() bool {
	f := l.instance.limits.breaker
	return f != nil && f.State() == breaker.Probing
}

// breakerTurned does what is to be done when a breaker's state isn't what it was.
func (l *ledger) breakerTurned(f *circuit, was breaker.State, key string) {
	if f.State() == was {
		return
	}
	ev := Event{Key: key}
	switch f.State() {
	case breaker.Open:
		ev.Kind, ev.Reason, ev.After = EventBreakerOpened, f.cause, time.Until(f.NextProbe())
		l.cfg.Logger.Warn("gentask: breaker opened", "consumer", l.cfg.Name, "key", key, "probe", ev.After, "cause", f.cause)
	case breaker.Probing:
		ev.Kind = EventBreakerProbing
	case breaker.Closed:
		ev.Kind = EventBreakerClosed
		f.cause = nil
		l.cfg.Logger.Info("gentask: breaker closed", "consumer", l.cfg.Name, "key", key)
	}
	l.emit(ev)
	if key == "" {
		l.reconcileIntake() // of a key's it is enough that Health tells within a second: there may be many
	}
}
