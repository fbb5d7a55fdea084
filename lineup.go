package gentask

import (
	"cmp"
	"slices"
	"time"
)

// lineup is what waits for a slot, in order of arrival. It belongs to the ledger's goroutine, and knows nothing of slots: next names the one to
// be started, and the ledger says what becomes of it.
//
// Two rules hold without any policy: of the deliveries of one message at most one is at work here, and so of those with the same order key. Messages
// that share an ID are several.
// Those that share either form a chain, of which only the first may be started, and it stays first until its worker and task are gone. What is
// first in its chains waits in the queue of its fairness key; the queues have turns. Without keys that is one queue, and the gates are
// all that it is asked.
//
// Nobody is asked twice for nothing: each queue remembers how far it was searched, until something changes.
type lineup struct {
	gates   []gate
	ids     chains[identity]
	orders  chains[string]
	turns   turns
	waiting int
	round   uint64    // counts the changes that may have opened a gate
	again   time.Time // when a gate that was asked since wants to be asked again; zero for never
	held    bool      // what waits was held back the last time
}

// spot is an entry's place in a lineup.
type spot struct {
	terms *terms // nil for none
	state spotState
	ahead uint8       // in how many chains it is not the first
	links [2]turnLink // its chains: by identity, by order key

	queue      *turn // where it waits, once it is the first in its chains
	prev, next *entry
}

// terms are on what terms an entry waits.
type terms struct {
	order, fair string    // its keys; empty for none
	rate        string    // whose limit it counts for
	circuit     string    // and whose breaker
	notBefore   time.Time // zero for at once
	floor       bool      // that is the floor of one that was returned
}

func (s *spot) order() string {
	if s.terms == nil {
		return ""
	}
	return s.terms.order
}

func (s *spot) fair() string {
	if s.terms == nil {
		return ""
	}
	return s.terms.fair
}

func (s *spot) rate() string {
	if s.terms == nil {
		return ""
	}
	return s.terms.rate
}

func (s *spot) circuit() string {
	if s.terms == nil {
		return ""
	}
	return s.terms.circuit
}

type spotState uint8

const (
	spotNone    spotState = iota // not in the lineup, or no longer
	spotWaiting                  // may be named by next
	spotNamed                    // was named, and is yet to begin
	spotBegun                    // its worker or task is there
)

func newLineup(gates []gate) *lineup {
	return &lineup{
		gates: gates, turns: turns{by: map[string]*turn{}},
		ids: chains[identity]{kind: 0, by: map[identity]chain{}}, orders: chains[string]{kind: 1, by: map[string]chain{}},
	}
}

// len says how many wait.
func (l *lineup) len() int { return l.waiting }

// heldBack says whether what waits was held back, by a gate or an earlier one, when next was asked last.
func (l *lineup) heldBack() bool { return l.waiting > 0 && l.held }

// push lines an entry up, behind all others.
func (l *lineup) push(e *entry) {
	l.enter(e)
	l.ids.join(e, e.identity)
	l.orders.join(e, e.spot.order())
	l.line(e)
}

// pushAgain lines next up for another run of the delivery that e was: at e's own place, ahead of all that came after it, and not before at. It
// is called instead of ended(e).
func (l *lineup) pushAgain(e, next *entry, at, now time.Time) {
	for _, g := range l.gates {
		g.ended(e, now)
		g.gone(e, now)
	}
	var same terms
	if e.spot.terms != nil {
		same = *e.spot.terms
	}
	same.notBefore, same.floor = at, false
	next.spot.terms = &same
	l.enter(next)
	l.ids.replace(e, next, e.identity)
	l.orders.replace(e, next, e.spot.order())
	e.spot.state = spotNone
	l.line(next)
	l.stir()
}

func (l *lineup) enter(e *entry) {
	l.waiting++
	e.spot.state = spotWaiting
}

// line queues an entry, if it is the first in its chains.
func (l *lineup) line(e *entry) {
	if e.spot.ahead == 0 {
		l.turns.queue(e)
	}
}

// stir says that something has changed that may have opened a gate.
func (l *lineup) stir() {
	l.round++
	l.again = time.Time{}
}

// next takes out the entry to be started now; begun follows in the same turn. Otherwise it returns nil, and when to ask again at the latest;
// zero: only when something has changed.
func (l *lineup) next(now time.Time) (*entry, time.Time) {
	if !l.again.IsZero() && !now.Before(l.again) {
		l.stir()
	}
	for t := l.turns.first; t != nil; t = t.next {
		e, v := l.search(t, now)
		switch v {
		case admit:
			l.turns.take(e)
			l.waiting--
			e.spot.state, l.held = spotNamed, false
			return e, time.Time{}
		case block:
			l.held = true
			return nil, l.again
		case skip:
		}
	}
	l.held = true
	return nil, l.again
}

// search asks for those of one queue that were not asked since something changed, and returns the first that may start.
func (l *lineup) search(t *turn, now time.Time) (*entry, verdict) {
	if t.round != l.round {
		t.round, t.cursor = l.round, t.head
	}
	for ; t.cursor != nil; t.cursor = t.cursor.spot.next {
		if v := l.ask(t.cursor, now); v != skip {
			return t.cursor, v
		}
	}
	return nil, skip
}

// ask asks the gates.
func (l *lineup) ask(e *entry, now time.Time) verdict {
	if t := e.spot.terms; t != nil && now.Before(t.notBefore) {
		l.remember(t.notBefore)
		return skip
	}
	for _, g := range l.gates {
		if v, until := g.pass(e, now); v != admit {
			l.remember(until)
			return v
		}
	}
	return admit
}

func (l *lineup) remember(until time.Time) {
	if !until.IsZero() && (l.again.IsZero() || until.Before(l.again)) {
		l.again = until
	}
}

// begun says that e, which next has named, was started.
func (l *lineup) begun(e *entry, now time.Time) {
	e.spot.state = spotBegun
	for _, g := range l.gates {
		g.begun(e, now)
	}
}

// ended says that the worker and the task of e are gone: the next ones in its chains have their turn.
func (l *lineup) ended(e *entry, now time.Time) {
	for _, g := range l.gates {
		g.ended(e, now)
	}
	l.leave(e)
}

// gone says that e is out of the ledger, settled or lost. If it waits, it doesn't any more; if it was begun, it keeps its place in its chains
// until it has ended.
func (l *lineup) gone(e *entry, now time.Time) {
	for _, g := range l.gates {
		g.gone(e, now)
	}
	switch e.spot.state {
	case spotWaiting:
		l.drop(e)
		l.leave(e)
	case spotNamed:
		l.leave(e)
	case spotBegun, spotNone:
	}
	if len(l.gates) > 0 {
		l.stir()
	}
}

func (l *lineup) drop(e *entry) {
	l.waiting--
	if e.spot.queue != nil {
		l.turns.take(e)
	}
}

// leave takes e out of its chains.
func (l *lineup) leave(e *entry) {
	e.spot.state = spotNone
	l.promote(l.ids.leave(e, e.identity))
	l.promote(l.orders.leave(e, e.spot.order()))
	l.stir()
}

// promote queues an entry that has become the first of its chain, if it is that in both.
func (l *lineup) promote(e *entry) {
	if e == nil {
		return
	}
	if e.spot.ahead--; e.spot.ahead == 0 {
		l.turns.queue(e)
	}
}

// take takes out all that waits, in order of arrival. What was begun stays first in its chains.
func (l *lineup) take() []*entry {
	all := make([]*entry, 0, l.waiting)
	for t := l.turns.first; t != nil; t = t.next {
		for e := t.head; e != nil; e = e.spot.next {
			all = append(all, e)
		}
	}
	all = l.orders.behindFirst(l.ids.behindFirst(all))
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.serial, b.serial) })
	all = slices.Compact(all) // some are behind in both chains
	for _, e := range slices.Backward(all) {
		l.drop(e)
		l.leave(e)
	}
	return all
}
