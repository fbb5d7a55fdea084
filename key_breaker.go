package gentask

import (
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
)

// KeyBreaker is a Breaker for each key, for what only the jobs of a key depend on, such as a customer's server. While one is open, messages of its
// key are snoozed until its next probe, which costs no attempt, and others go on. Where they have a key for Policy.Order, too, they are held instead,
// for Order.Hold at the most: snoozing would change their order. It composes with Policy.Breaker, for which runs count as well.
//
// A key is forgotten when its breaker is closed and none of its runs ended within Window; or when it is open, and nothing of its key came for an
// hour after it was time for a probe. Of more than 50,000 keys, those are forgotten first whose breakers are closed, and then those that
// opened first.
// A key longer than 64 bytes is remembered, and told in events and Health, by its beginning and a hash of all of it.
type KeyBreaker struct {
	// Key says whose breaker a message is for; one with an empty key has none. It is called as Order.Key is. Nil is off.
	Key func(queue.Message) string

	// Breaker is that of each key.
	Breaker Breaker
}

// ErrBreakerOpen is the reason of a release, in events, because the message's key has a breaker that isn't closed. It wraps what opened it.
var ErrBreakerOpen = errors.New("gentask: the breaker of the key is not closed")

func (k KeyBreaker) on() bool { return k.Key != nil }

func (k KeyBreaker) check() error {
	off := k.Key != nil && k.Breaker == (Breaker{})
	return errors.Join(
		inField("Breaker.", k.Breaker.check()),
		checkKey(k.Key),
		unfitIf(k.Key == nil && k.Breaker != (Breaker{}), "Key", "nil with a Breaker", "a function, for example KeyHeader(name)"),
		unfitIf(off, "Breaker.FailureRate", k.Breaker.FailureRate, "the share of failures at which it opens, such as 0.5; there is a Key"))
}

// circuits are the breakers of the keys that have run something of late. They belong to the ledger's goroutine, and outlive it.
type circuits struct {
	machine func() *breaker.Machine
	by      map[string]*circuit
	down    map[string]*circuit // those that are not closed
	sweep   int                 // how many there may be before some are forgotten
}

func newCircuits(k KeyBreaker, random func() float64) *circuits {
	if !k.on() {
		return nil
	}
	return &circuits{
		machine: func() *breaker.Machine { return k.Breaker.machine(random) },
		by:      map[string]*circuit{}, down: map[string]*circuit{}, sweep: sweepAt,
	}
}

// keyTicket is of a run; the zero one, if its key had no breaker when it began.
type keyTicket struct {
	circuit *circuit
	breaker.Ticket
}

func (f *circuits) begin(key string) keyTicket {
	one := f.by[key]
	if one == nil {
		return keyTicket{}
	}
	return keyTicket{one, one.Begin()}
}

// end notes how a run ended, and returns the key's breaker and what its state was; nil if there is none. Only a result makes one. A run that began
// before counts as one of its first.
func (f *circuits) end(key string, t keyTicket, now time.Time, r breaker.Result) (one *circuit, was breaker.State) {
	one = f.by[key]
	if one == nil {
		if r == breaker.Nothing {
			return nil, breaker.Closed
		}
		one = &circuit{Machine: f.machine()}
		f.by[key] = one
	}
	if t.circuit != one {
		t.Ticket = breaker.Ticket{}
	}
	was = one.State()
	one.End(t.Ticket, now, r)
	return one, was
}

// forgettable is for how long a breaker that isn't closed is kept when nothing of its key comes.
const forgettable = time.Hour

// forget drops those that are as good as new, and returns the keys of those that were not closed. What is left doubles before it is due again.
func (f *circuits) forget(now time.Time) (down []string) {
	for key, one := range f.by {
		switch {
		case one.Idle(now):
		case one.State() == breaker.Open && now.Sub(one.NextProbe()) > forgettable:
			down = append(down, key)
		default:
			continue
		}
		delete(f.by, key)
		delete(f.down, key)
	}
	f.sweep = sweepNext(len(f.by))
	return append(down, f.evict()...)
}

// health describes those that are not closed, by key, mostBreakers at the most.
func (f *circuits) health() []BreakerHealth {
	var all []BreakerHealth
	for _, key := range firstKeys(f.down) {
		all = append(all, f.down[key].health(key))
	}
	return all
}

// keyBreakerGate gives back what is for a key whose breaker is open, or holds it; and so all but the probe of one that probes.
type keyBreakerGate struct {
	*circuits
	ledger  *ledger
	tickets map[*entry]keyTicket
}

func newKeyBreakerGate(l *ledger, f *circuits) *keyBreakerGate {
	for _, one := range f.by {
		one.Forget() // what was on its way belonged to the ledger before
	}
	return &keyBreakerGate{circuits: f, ledger: l, tickets: map[*entry]keyTicket{}}
}

func (g *keyBreakerGate) pass(e *entry, now time.Time) (v verdict, until time.Time) {
	key := e.spot.circuit()
	switch {
	case key == "":
		return admit, time.Time{}
	case e.decided():
		return skip, time.Time{} // it is on its way back
	}
	one := g.by[key]
	if one == nil {
		return admit, time.Time{}
	}
	was := one.State()
	admits := one.Admits(now)
	g.turned(key, one, was)
	switch {
	case admits:
		return admit, time.Time{}
	case e.keepsOrder(now):
		return skip, e.untilHold(one.NextProbe())
	}
	_ = e.settle(Snooze(g.untilProbe(one, now)), fmt.Errorf("%w: %w", ErrBreakerOpen, one.cause)) // undecided, as was seen
	return skip, time.Time{}
}

// keepsOrder says that e is not given back while its breaker is open.
func (e *entry) keepsOrder(now time.Time) bool {
	hold := e.cfg.Policy.Order.hold()
	return e.spot.order() != "" && (hold == never || now.Sub(e.received) < hold)
}

// untilHold returns at, or when the entry may be held no longer if that is earlier.
func (e *entry) untilHold(at time.Time) time.Time {
	hold := e.cfg.Policy.Order.hold()
	if end := e.received.Add(hold); hold != never && (at.IsZero() || end.Before(at)) {
		return end
	}
	return at
}

// untilProbe is for how long a message is snoozed. The first one is there for the probe; others come within a while after it, so that they don't all
// come while it runs.
func (g *keyBreakerGate) untilProbe(one *circuit, now time.Time) time.Duration {
	wait := max(one.NextProbe().Sub(now), releasePause) // of one that probes, it is zero
	if one.State() == breaker.Open && !one.awaited {
		one.awaited = true
		return wait
	}
	base := or(g.ledger.cfg.Policy.KeyBreaker.Breaker.Wait.Base, breakerWait)
	return wait + time.Duration(g.ledger.cfg.random()*float64(base))
}

func (g *keyBreakerGate) begun(e *entry, _ time.Time) {
	if key := e.spot.circuit(); key != "" {
		if t := g.begin(key); t.circuit != nil {
			g.tickets[e] = t
		}
	}
}

func (g *keyBreakerGate) ended(e *entry, now time.Time) {
	key := e.spot.circuit()
	if key == "" {
		return
	}
	if g.by[key] == nil && len(g.by) >= g.sweep {
		for _, old := range g.forget(now) {
			g.ledger.emit(Event{Kind: EventBreakerClosed, Key: old})
		}
	}
	one, was := g.end(key, g.tickets[e], now, e.signal())
	delete(g.tickets, e)
	if one == nil {
		return
	}
	if one.State() == breaker.Open && was != breaker.Open {
		_, cause := e.verdict()
		one.cause = shortCause(cause)
	}
	g.turned(key, one, was)
}

func (g *keyBreakerGate) gone(*entry, time.Time) {}

func (g *keyBreakerGate) turned(key string, one *circuit, was breaker.State) {
	switch one.State() {
	case breaker.Closed:
		delete(g.down, key)
	case breaker.Open:
		g.down[key], one.awaited = one, one.awaited && was == breaker.Open
	case breaker.Probing:
		g.down[key] = one
	}
	g.ledger.breakerTurned(one, was, key)
}
