package admission

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/internal/breaker"
)

// ErrBreakerOpen is the reason of GiveBack for an item whose key has a breaker that isn't closed.
// The reason wraps the failure that opened it, too.
var ErrBreakerOpen = errors.New("gentask: the breaker of the key is not closed")

const (
	// SoonestAgain is the least time after which an item comes again that was given back.
	SoonestAgain = 100 * time.Millisecond

	// forgettable is how long a breaker that isn't closed is kept after its time to probe, if no
	// item of its key comes.
	forgettable = time.Hour

	// maxCause is the most bytes of a text that the breaker of a key keeps.
	maxCause = 1 << 10
)

// KeyBreaker is the gate of a breaker for each key. While one is open its items are given back
// until its next probe, or skipped if they have an order to keep.
type KeyBreaker struct {
	machine func() *breaker.Machine
	jitter  func() time.Duration // between 0 and the least wait of a breaker

	by      map[string]*Circuit
	down    map[string]*Circuit // those that are not closed
	sweep   int                 // the number of keys at which some are forgotten
	tickets map[*Item]keyTicket
	changes []Change
}

// keyTicket is the ticket of a run; the zero value if its key had no breaker when it began.
type keyTicket struct {
	circuit *Circuit
	breaker.Ticket
}

// NewKeyBreaker returns a gate that makes a breaker for each key that needs one. jitter returns
// some time between zero and the least wait of a breaker: it spreads the items that are given back.
func NewKeyBreaker(machine func() *breaker.Machine, jitter func() time.Duration) *KeyBreaker {
	return &KeyBreaker{
		machine: machine, jitter: jitter, by: map[string]*Circuit{}, down: map[string]*Circuit{},
		sweep: sweepAt, tickets: map[*Item]keyTicket{},
	}
}

// Reset forgets the items that are at work, for a queue that begins.
func (g *KeyBreaker) Reset() {
	for _, c := range g.by {
		c.Forget()
	}
	clear(g.tickets)
}

// Close closes the breakers of all keys, and forgets the runs so far.
func (g *KeyBreaker) Close(now time.Time) {
	for _, key := range slices.Sorted(maps.Keys(g.down)) {
		c := g.by[key]
		was := c.State()
		c.Close(now)
		g.note(key, c, was)
	}
	for _, c := range g.by {
		c.Close(now)
	}
}

// Changes returns the changes of states since the last call.
func (g *KeyBreaker) Changes() []Change {
	changes := g.changes
	g.changes = nil
	return changes
}

// Down returns how many breakers are not closed.
func (g *KeyBreaker) Down() int { return len(g.down) }

// FirstDown calls f for the breakers that are not closed, at most the given number, in the order of
// their keys.
func (g *KeyBreaker) FirstDown(most int, f func(key string, c *Circuit)) {
	for _, key := range firstKeys(g.down, most) {
		f(key, g.down[key])
	}
}

// Pass implements [Gate].
func (g *KeyBreaker) Pass(it *Item, now time.Time) Answer {
	k := it.keys()
	c := g.by[k.Breaker] // the empty key never has one
	if c == nil {
		return Answer{}
	}
	was := c.State()
	admits := c.Admits(now)
	g.note(k.Breaker, c, was)
	switch {
	case admits:
		return Answer{}
	case k.keepsOrder(now):
		return Answer{Kind: Skip, Until: k.untilHold(c.NextProbe())}
	}
	return Answer{Kind: GiveBack, After: g.untilProbe(c, now), Reason: fmt.Errorf("%w: %w", ErrBreakerOpen, c.Cause)}
}

// keepsOrder reports whether an item stays here while the breaker of its key is open.
func (k *Keys) keepsOrder(now time.Time) bool {
	return k.Order != "" && (k.HoldUntil.IsZero() || now.Before(k.HoldUntil))
}

// untilHold returns at, or when the item must not be held any longer if that is earlier.
func (k *Keys) untilHold(at time.Time) time.Time {
	if !k.HoldUntil.IsZero() && (at.IsZero() || k.HoldUntil.Before(at)) {
		return k.HoldUntil
	}
	return at
}

// untilProbe returns how long an item should stay away. The first one is back for the probe. The
// others come some time after it, so that they don't all come while it runs.
func (g *KeyBreaker) untilProbe(c *Circuit, now time.Time) time.Duration {
	wait := max(c.NextProbe().Sub(now), SoonestAgain) // of a breaker that probes, NextProbe is zero
	if c.State() == breaker.Open && !c.awaited {
		c.awaited = true
		return wait
	}
	return wait + g.jitter()
}

// Started implements [Gate].
func (g *KeyBreaker) Started(it *Item, _ time.Time) {
	if c := g.by[it.keys().Breaker]; c != nil {
		g.tickets[it] = keyTicket{c, c.Begin()}
	}
}

// Ended implements [Gate]. Only a run that proves something makes a breaker.
func (g *KeyBreaker) Ended(it *Item, r Result, now time.Time) {
	key := it.keys().Breaker
	if key == "" {
		return
	}
	t := g.tickets[it]
	delete(g.tickets, it)
	c := g.by[key]
	if c == nil {
		if len(g.by) >= g.sweep {
			g.forget(now)
		}
		if r.Signal == breaker.Nothing {
			return
		}
		c = &Circuit{Machine: g.machine()}
		g.by[key] = c
	}
	if t.circuit != c {
		t.Ticket = breaker.Ticket{} // it began before the breaker was made, and counts as one of its first
	}
	was := c.State()
	c.End(t.Ticket, now, r.Signal)
	if c.State() == breaker.Open && was != breaker.Open {
		c.Cause = shortCause(r.Reason)
	}
	g.note(key, c, was)
}

// Gone implements [Gate].
func (*KeyBreaker) Gone(*Item, Fate, time.Time) {}

// note takes down a change of a breaker's state.
func (g *KeyBreaker) note(key string, c *Circuit, was breaker.State) {
	switch c.State() {
	case breaker.Closed:
		delete(g.down, key)
	case breaker.Open:
		g.down[key], c.awaited = c, c.awaited && was == breaker.Open
	case breaker.Probing: // it has been down since it opened
	}
	if c.State() == was {
		return
	}
	g.changes = append(g.changes, Change{Key: key, State: c.State(), Probe: c.NextProbe(), Cause: c.Cause})
	if c.State() == breaker.Closed {
		c.Cause = nil
	}
}

// forget drops the breakers that are as good as new, and those whose keys nothing has come for. The
// number of the others doubles before it is called again.
func (g *KeyBreaker) forget(now time.Time) {
	for key, c := range g.by {
		if c.Idle(now) || c.State() == breaker.Open && now.Sub(c.NextProbe()) > forgettable {
			g.drop(key)
		}
	}
	g.sweep = sweepNext(len(g.by))
	g.evict()
}

// evict makes room where all keys are worth remembering: half of them go. The first are the closed
// ones, and then those that opened longest ago.
func (g *KeyBreaker) evict() {
	if len(g.by) < mostKeys {
		return
	}
	closed := func(c *Circuit) int {
		if c.State() == breaker.Closed {
			return 0
		}
		return 1
	}
	for _, key := range firstHalf(g.by, func(a, b *Circuit) int {
		return cmp.Or(cmp.Compare(closed(a), closed(b)), a.Since().Compare(b.Since()))
	}) {
		g.drop(key)
	}
}

// drop forgets the breaker of a key. One that isn't closed counts as closed then.
func (g *KeyBreaker) drop(key string) {
	if g.down[key] != nil {
		g.changes = append(g.changes, Change{Key: key, State: breaker.Closed})
	}
	delete(g.by, key)
	delete(g.down, key)
}

// shortCause returns err, or the beginning of its text: there may be as many as there are keys.
func shortCause(err error) error {
	if err == nil || len(err.Error()) <= maxCause {
		return err
	}
	return errors.New(strings.ToValidUTF8(err.Error()[:maxCause], "") + "...")
}
