package gentask

import (
	"fmt"
	"time"
)

// gate is a policy that may hold a delivery back before its start. Gates live in the ledger's goroutine: they never block, need no lock for what
// is theirs alone, and call no code of the user's. One incarnation of a consumer has its own, made by gatesOf; what is to outlive it belongs to
// the Consumer. A gate that can open by itself, other than by time or by one of these calls, tells the ledger by an unblocked message.
//
// For each entry that comes to the lineup, the ledger calls pass as often as it likes; begun at most once, and then ended once; and gone once.
// Ended and gone come in either order: a delivery may be lost while its job runs on.
type gate interface {
	// pass says whether e may be started now. If not, until says when to ask again at the latest; zero: only when something changes. It may be
	// asked in vain, because another gate says no, so it counts nothing. Gates are asked in order, and the last one's admit is followed by
	// begun in the same turn: a gate that has to reserve what it grants, because others take from it at the same time, is the last.
	pass(e *entry, now time.Time) (v verdict, until time.Time)

	// begun says that e was started.
	begun(e *entry, now time.Time)

	// ended says that e's worker and task are gone; e.verdict() and e.result() say how.
	ended(e *entry, now time.Time)

	// gone says that e is out of the ledger, settled or lost. That goes for those that were never begun, too.
	gone(e *entry, now time.Time)
}

// verdict is a gate's answer. The set is closed.
type verdict uint8

const (
	// admit: this gate has nothing against it.
	admit verdict = iota + 1
	// skip holds this one back; others may be started.
	skip
	// block holds back this one and whatever comes after it.
	block
)

// String returns the verdict in plain words.
func (v verdict) String() string {
	switch v {
	case admit:
		return "admit"
	case skip:
		return "skip"
	case block:
		return "block"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// gatesOf makes the gates of one incarnation of a consumer, in the order in which they are asked: those that hold back one delivery come before
// those that hold back all, and what reserves is the last.
func gatesOf(l *ledger) []gate {
	return l.instance.limits.gates(l)
}

// unblocked tells the ledger that a gate has opened by itself.
type unblocked struct{}
