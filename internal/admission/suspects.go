package admission

import (
	"time"

	"github.com/gentask/gentask/internal/memo"
)

// Suspects is the gate that runs a suspect alone. A suspect is an item that its broker has counted
// as an attempt before, for no reason that is known here: the process that held it may have died of
// it.
//
// Its turn has four steps. It is due, and the caller stops the intake. All that has not been
// started goes back to the broker, other suspects too, so that a death costs it no attempt. The
// items at work end. Then the suspect runs, and nothing else is held. Its turn is over when its
// delivery is gone, and its worker and task, too.
//
// If the broker has a place for suspects, the caller moves them there as they come, and due is the
// one that it gets from the place when nothing else is held: see [Place].
type Suspects struct {
	Place Place

	known *memo.Memo[Identity, clearance]
	due   *Item // waits until nothing else is held
	alone *Item // was started
	ready bool  // the due one may start: see SetReady
	ended bool  // the alone one has no worker and task any more
	gone  bool  // the delivery of the alone one is gone, or its settlement was refused
}

// clearance is what is known of a message that was held here.
type clearance struct {
	attempt int  // up to this one there is no reason for suspicion
	suspect bool // it was given back, or lost, before it could be cleared
}

// mostClearances is far more than the messages that are held or wait for their next attempt, as a
// rule. A message whose clearance is forgotten runs alone, once.
const mostClearances = 10_000

// NewSuspects returns a gate that suspects no message yet.
func NewSuspects() *Suspects {
	return &Suspects{known: memo.New[Identity, clearance](mostClearances)}
}

// Reset forgets the items of an earlier queue. The knowledge about their messages is kept.
func (g *Suspects) Reset() {
	g.due, g.alone, g.ready = nil, nil, false
	g.Place.Closed()
}

// Busy reports whether a suspect is due or at work, or one from the place has its turn. Meanwhile
// nothing new should be taken.
func (g *Suspects) Busy() bool { return g.due != nil || g.alone != nil || g.Place.turn }

// Due returns the suspect that waits until nothing else is held; nil if there is none.
func (g *Suspects) Due() *Item { return g.due }

// Alone returns the suspect that was started; nil if there is none.
func (g *Suspects) Alone() *Item { return g.alone }

// SetReady sets whether nothing is held but the suspect that is due, and nothing comes. Only then
// may it start.
func (g *Suspects) SetReady(ready bool) { g.ready = ready }

// Refused ends the turn of a suspect whose settlement the broker has refused, as soon as its worker
// and task are gone: the others must not wait for it.
func (g *Suspects) Refused(it *Item) {
	if g.alone == it {
		g.gone = true
		g.finish()
	}
}

// Suspected reports whether an item must run alone.
func (g *Suspects) Suspected(it *Item) bool {
	if it.Marked || !it.Redelivered {
		return it.Marked
	}
	if c, _ := g.known.Get(it.Identity); c.suspect || it.Attempt <= c.attempt {
		return c.suspect
	}
	return it.Attempt > int(it.Used)+1 // copies are made on purpose
}

// AttemptOf returns the attempt of an item of a queue whose broker has a place for suspects. At the
// place, each delivery is a run, and counts. In the queue, a suspect may have been held beside
// others, unstarted, again and again: then only the loss that made it a suspect counts.
func (g *Suspects) AttemptOf(it *Item) int {
	switch {
	case it.Isolated || !g.Suspected(it):
		return it.Attempt
	case it.Marked:
		return min(it.Attempt, int(it.Used)+1)
	}
	return min(it.Attempt, int(it.Used)+2)
}

// Took makes an item due that comes from the place.
func (g *Suspects) Took(it *Item) { g.due, g.ready = it, false }

// WantsFromPlace reports whether a suspect should be taken from the place as soon as nothing is
// held.
func (g *Suspects) WantsFromPlace() bool {
	return g.Place.turn && !g.Place.asked && g.due == nil && g.alone == nil
}

// Pass implements [Gate].
func (g *Suspects) Pass(it *Item, _ time.Time) Answer {
	switch {
	case g.alone != nil:
		return Answer{Kind: Block}
	case g.due == nil && !g.Suspected(it):
		return Answer{}
	case g.due == nil:
		g.due, g.ready = it, false
	}
	if it == g.due && g.ready {
		return Answer{}
	}
	return Answer{Kind: Block}
}

// Started implements [Gate].
func (g *Suspects) Started(it *Item, _ time.Time) {
	if it == g.due {
		g.due, g.alone, g.ended, g.gone = nil, it, false, false
	}
}

// Ended implements [Gate]. A suspect that is still held is cleared: it has run, and the process
// lives.
func (g *Suspects) Ended(it *Item, _ Result, now time.Time) {
	if it != g.alone {
		return
	}
	g.ended = true
	if !g.gone {
		g.known.Put(it.Identity, clearance{attempt: it.Attempt})
	}
	g.finish()
	g.Place.rest(now)
}

// Gone implements [Gate].
func (g *Suspects) Gone(it *Item, how Fate, _ time.Time) {
	switch {
	case how == Done:
	case g.Suspected(it):
		g.known.Put(it.Identity, clearance{suspect: true})
	case how == Released:
		g.known.Put(it.Identity, clearance{attempt: it.Attempt})
	default: // requeued, or lost with a session, which the process has survived
		g.known.Put(it.Identity, clearance{attempt: it.Attempt + 1})
	}
	switch it {
	case g.due:
		g.due = nil
	case g.alone:
		g.gone = true
		g.finish()
	}
}

// finish ends the turn of the suspect at work, if it is over.
func (g *Suspects) finish() {
	if g.ended && g.gone {
		g.alone = nil
	}
}
