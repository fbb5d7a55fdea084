package gentask

import (
	"iter"
	"slices"
)

// list is a list of entries, the last to come at its end. It costs no memory beside the entries', and nothing is searched in it. It belongs to
// the ledger's goroutine.
type list struct {
	kind        listKind
	first, last *entry
	n           int
}

// listKind names the two lists that an entry can be on. The set is closed.
type listKind uint8

const (
	listHeld listKind = iota // what is unsettled
	listBusy                 // what has a worker or a task
	listKinds
)

// listPlace is an entry's place on one list.
type listPlace struct {
	on             bool
	before, behind *entry
}

func (r *list) len() int { return r.n }

// has says whether e is on the list.
func (r *list) has(e *entry) bool { return e.lists[r.kind].on }

// add puts e at the end.
func (r *list) add(e *entry) {
	e.lists[r.kind] = listPlace{on: true, before: r.last}
	if r.last == nil {
		r.first = e
	} else {
		r.last.lists[r.kind].behind = e
	}
	r.last = e
	r.n++
}

// drop takes e out, if it is there.
func (r *list) drop(e *entry) {
	at := e.lists[r.kind]
	if !at.on {
		return
	}
	e.lists[r.kind] = listPlace{}
	r.n--
	if at.before == nil {
		r.first = at.behind
	} else {
		at.before.lists[r.kind].behind = at.behind
	}
	if at.behind == nil {
		r.last = at.before
	} else {
		at.behind.lists[r.kind].before = at.before
	}
}

// all returns the entries in order; the loop must not change the list.
func (r *list) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for e := r.first; e != nil; e = e.lists[r.kind].behind {
			if !yield(e) {
				return
			}
		}
	}
}

// entries returns a copy, for a loop that changes the list.
func (r *list) entries() []*entry { return slices.AppendSeq(make([]*entry, 0, r.n), r.all()) }
