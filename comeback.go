package gentask

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// What is given back without losing an attempt comes again, and may be given back again, for ever. Below each
// such loop is a floor: the first time a message is there again at once, then after comebackBase, and each
// time after twice as long, up to comebackMost.
const (
	comebackBase = 100 * time.Millisecond
	comebackMost = time.Minute

	// mostComebacks is how many messages are remembered.
	mostComebacks = 50_000

	// manyAttempts is from which attempt on a requeue without a wait is taken for one of a loop: that is where
	// the default of Config.MaxAttempts would have ended it.
	manyAttempts = 25
)

// comebackWait is how long a message waits that has come back n times.
func comebackWait(n uint8) time.Duration {
	if n == 0 {
		return 0
	}
	return min(comebackBase<<min(n-1, 20), comebackMost)
}

// pace has e wait if its message has come back before without a wait and without losing an attempt. It is called when its
// decision is carried out, once for each delivery.
func (l *ledger) pace(e *entry) {
	if e.paced {
		return
	}
	e.paced = true
	d, _ := e.verdict()
	all := l.instance.limits.comebacks
	if disposition, _ := d.disposition(); disposition == queue.Ack || disposition == queue.DeadLetter {
		if all.len() > 0 {
			all.drop(e.identity)
		}
		return
	}
	if !l.loops(e, d) {
		return
	}
	n, _ := all.get(e.identity)
	all.put(e.identity, min(n, 100)+1)
	e.after = comebackWait(n)
}

// loops reports whether e could be run and given back like this for ever. What was not started, or is given back because we stop, could
// not; nor could what waits by itself, or loses an attempt of those that it has.
func (l *ledger) loops(e *entry, d Decision) bool {
	if e.started.IsZero() || l.drain != nil || factsOfCause(e.toldCause()).has(factInterrupted) {
		return false
	}
	if d.kind == decideRequeue {
		return d.after <= 0 && e.attempt >= manyAttempts
	}
	return d.after < comebackBase
}
