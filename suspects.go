package gentask

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// suspects is Policy.IsolateSuspects. A suspect is a delivery that its broker has counted as an attempt before, for no reason that is known here: the
// process that held it may have died of it. Its turn has four steps: it is due, and the intake is cancelled; what has not been started goes back,
// other suspects too, so that a death costs it no attempt; what runs ends; and then the suspect runs, and nothing else is held. When it is out
// of the ledger, and its worker and task are gone, the intake is resumed.
type suspects struct {
	clearances *memo[identity, clearance]
	due        *entry // waits until nothing else is held
	alone      *entry // was begun
	over       bool   // alone has no worker and task any more
	out        bool   // alone is out of the ledger, or its settlement was refused
}

// busy says whether a suspect is due or runs.
func (s *suspects) busy() bool { return s != nil && (s.due != nil || s.alone != nil) }

// suspected says whether e is to run alone.
func (s *suspects) suspected(e *entry) bool {
	if !e.delivery.Redelivered {
		return false
	}
	if a, known := s.clearances.get(e.identity); known && (a.suspect || e.attempt <= a.attempt) {
		return a.suspect
	}
	return e.attempt > e.attemptsOfCopy()+1 // copies are made on purpose
}

// clearance is what is known of a message that was held here.
type clearance struct {
	attempt int  // up to this one there is no reason for suspicion
	suspect bool // it was given back, or lost, before it could be cleared
}

// mostClearances is far more than what is held and waits for its next attempt, as a rule. A message whose clearance is forgotten runs alone, once.
const mostClearances = 10_000

// suspectsGate holds everything back while a suspect is due or runs.
type suspectsGate struct {
	*suspects
	ledger *ledger
}

func newSuspectsGate(l *ledger, s *suspects) *suspectsGate {
	s.due, s.alone = nil, nil // they belonged to the ledger before
	return &suspectsGate{suspects: s, ledger: l}
}

func (g *suspectsGate) pass(e *entry, _ time.Time) (v verdict, until time.Time) {
	switch {
	case g.alone != nil:
		return block, time.Time{}
	case g.due == nil && !g.suspected(e):
		return admit, time.Time{}
	case g.due == nil:
		g.due = e
		g.ledger.reconcileIntake()
	}
	if e == g.due && g.ledger.suspectReady() {
		return admit, time.Time{}
	}
	return block, time.Time{}
}

func (g *suspectsGate) begun(e *entry, _ time.Time) {
	if e != g.due {
		return
	}
	g.due, g.alone, g.over, g.out = nil, e, false, false
	g.ledger.tellOf(EventSuspect, e)
	g.ledger.cfg.Logger.Warn("gentask: suspect runs alone", "consumer", g.ledger.cfg.Name, "job", e.delivery.ID, "attempt", e.attempt)
}

// ended clears a suspect that is still held: it has run, and the process lives.
func (g *suspectsGate) ended(e *entry, _ time.Time) {
	if e != g.alone {
		return
	}
	g.over = true
	if !g.out {
		g.clearances.put(e.identity, clearance{attempt: e.attempt})
	}
	g.resume()
}

func (g *suspectsGate) gone(e *entry, _ time.Time) {
	switch {
	case e.disposition == queue.Ack || e.disposition == queue.DeadLetter:
	case g.suspected(e):
		g.clearances.put(e.identity, clearance{suspect: true})
	case e.disposition == queue.Release:
		g.clearances.put(e.identity, clearance{attempt: e.attempt})
	default: // requeued, or lost with a session, which the process has survived
		g.clearances.put(e.identity, clearance{attempt: e.attempt + 1})
	}
	switch e {
	case g.due:
		g.due = nil
		g.resume()
	case g.alone:
		g.out = true
		g.resume()
	}
}

// resume ends the suspect's turn, if it is over.
func (g *suspectsGate) resume() { g.ledger.resumeAfterSuspect(g.suspects) }

func (l *ledger) resumeAfterSuspect(s *suspects) {
	if s.alone != nil && s.over && s.out {
		s.alone = nil
	}
	if !s.busy() && !l.ending {
		l.reconcileIntake()
	}
}

// suspectRefused ends the turn of a suspect whose settlement is refused, as soon as its worker and task are gone: others must not wait for it.
func (l *ledger) suspectRefused(e *entry) {
	if s := l.instance.limits.suspects; s != nil && s.alone == e && !s.out {
		s.out = true
		l.resumeAfterSuspect(s)
	}
}

// suspectReady says that the suspect that is due may run: nothing comes, and nothing else is held or runs.
func (l *ledger) suspectReady() bool {
	s := l.instance.limits.suspects
	return s != nil && s.due != nil && l.willing() && l.up && l.dry && !l.turning && l.held.len()-len(l.refused) == 1 && l.busy.len() == 0
}

// lookAtSuspect gives the suspect that is due back, when the consumer has come to take no work for other reasons. It is part of every turn.
func (l *ledger) lookAtSuspect() {
	if s := l.instance.limits.suspects; s.busy() && !l.willing() && l.dry && !l.turning {
		l.releaseWaiting()
	}
}

// staying is the one that waits and is not given back: the suspect for whose sake the others are.
func (l *ledger) staying() *entry {
	if s := l.instance.limits.suspects; s != nil && l.willing() {
		return s.due
	}
	return nil
}

// alone says whether e is a suspect that runs.
func (l *ledger) alone(e *entry) bool {
	s := l.instance.limits.suspects
	return s != nil && s.alone == e && l.willing()
}
