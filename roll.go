package gentask

import (
	"iter"
	"slices"
)

// roll is a list of entries, the last to come at its end. It costs no memory beside the entries', and nothing is searched in it. It belongs to
// the ledger's goroutine.
type roll struct {
	kind        rollKind
	first, last *entry
	n           int
}

// rollKind names the two rolls that an entry can be on. The set is closed.
type rollKind uint8

const (
	rollHeld rollKind = iota // what is unsettled
	rollBusy                 // what has a worker or a task
	rollKinds
)

// rollPlace is an entry's place on one roll.
type rollPlace struct {
	on             bool
	before, behind *entry
}

func (r *roll) len() int { return r.n }

// has says whether e is on the roll.
func (r *roll) has(e *entry) bool { return e.rolls[r.kind].on }

// add puts e at the end.
func (r *roll) add(e *entry) {
	e.rolls[r.kind] = rollPlace{on: true, before: r.last}
	if r.last == nil {
		r.first = e
	} else {
		r.last.rolls[r.kind].behind = e
	}
	r.last = e
	r.n++
}

// drop takes e out, if it is there.
func (r *roll) drop(e *entry) {
	at := e.rolls[r.kind]
	if !at.on {
		return
	}
	e.rolls[r.kind] = rollPlace{}
	r.n--
	if at.before == nil {
		r.first = at.behind
	} else {
		at.before.rolls[r.kind].behind = at.behind
	}
	if at.behind == nil {
		r.last = at.before
	} else {
		at.behind.rolls[r.kind].before = at.before
	}
}

// all returns the entries in order; the loop must not change the roll.
func (r *roll) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for e := r.first; e != nil; e = e.rolls[r.kind].behind {
			if !yield(e) {
				return
			}
		}
	}
}

// entries returns a copy, for a loop that changes the roll.
func (r *roll) entries() []*entry { return slices.AppendSeq(make([]*entry, 0, r.n), r.all()) }
