package admission

import (
	"time"

	"github.com/gentask/gentask/internal/breaker"
)

// Change is a change of a breaker's state.
type Change struct {
	Key   string // of a KeyBreaker; empty for a Breaker
	State breaker.State
	Probe time.Time // when an open one probes
	Cause error     // of the opening
}

// Circuit is a breaker, and the failure that opened it last.
type Circuit struct {
	*breaker.Machine
	Cause error

	awaited bool // of an open breaker of a key: a message is to come for the next probe
}

// Breaker is the gate of a breaker that all items share. It blocks while the breaker is open, and
// lets one item at a time pass while it probes.
type Breaker struct {
	Circuit

	tickets map[*Item]breaker.Ticket
	told    breaker.State
	changes []Change
}

// NewBreaker returns the gate of a machine.
func NewBreaker(m *breaker.Machine) *Breaker {
	return &Breaker{Circuit: Circuit{Machine: m}, tickets: map[*Item]breaker.Ticket{}}
}

// Reset forgets the items that are at work, for a queue that begins.
func (g *Breaker) Reset() {
	g.Forget()
	clear(g.tickets)
}

// Probe lets an open breaker probe, if it is time and ready is true. Nothing else would, once
// nothing comes any more. It returns when to call again; zero is when ready changes, or never.
func (g *Breaker) Probe(now time.Time, ready bool) time.Time {
	switch at := g.NextProbe(); {
	case now.Before(at):
		return at
	case ready:
		g.Admits(now)
		g.note()
	}
	return time.Time{}
}

// Close closes the breaker, and forgets the runs so far.
func (g *Breaker) Close(now time.Time) {
	g.Circuit.Close(now)
	g.note()
}

// Changes returns the changes of the state since the last call.
func (g *Breaker) Changes() []Change {
	changes := g.changes
	g.changes = nil
	return changes
}

// note takes down a change of the state.
func (g *Breaker) note() {
	if g.State() == g.told {
		return
	}
	g.told = g.State()
	g.changes = append(g.changes, Change{State: g.told, Probe: g.NextProbe(), Cause: g.Cause})
	if g.told == breaker.Closed {
		g.Cause = nil
	}
}

// Pass implements [Gate].
func (g *Breaker) Pass(_ *Item, now time.Time) Answer {
	admits := g.Admits(now)
	g.note()
	if admits {
		return Answer{}
	}
	return Answer{Kind: Block, Until: g.NextProbe()}
}

// Started implements [Gate].
func (g *Breaker) Started(it *Item, _ time.Time) { g.tickets[it] = g.Begin() }

// Ended implements [Gate].
func (g *Breaker) Ended(it *Item, r Result, now time.Time) {
	was := g.State()
	g.End(g.tickets[it], now, r.Signal)
	delete(g.tickets, it)
	if g.State() == breaker.Open && was != breaker.Open {
		g.Cause = r.Reason
	}
	g.note()
}

// Gone implements [Gate].
func (*Breaker) Gone(*Item, Fate, time.Time) {}
