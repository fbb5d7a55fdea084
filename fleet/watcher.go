package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// mostCursors is how many cursors a question has: it has to fit every bus.
	mostCursors = 1000

	// mostTracked is how many instances of nodes a watcher remembers, those that have left
	// included.
	mostTracked = 10_000

	// leftRounds and leftTime are how many questions in a row, and for how long, a node does not
	// answer until it has left.
	leftRounds = 5
	leftTime   = 5 * time.Second
)

// watcher is one sequence of events: where it is, for each node. It is pure: it has neither clock
// nor bus.
type watcher struct {
	known map[string]*tracked // by instance
	more  map[string]bool     // instances that are to be asked again at once
	busy  bool                // in this round an answer did not fit
}

// tracked is an instance of a node.
type tracked struct {
	name   string // of the node
	next   uint64 // number of its next record
	here   bool   // it has joined, and has not left
	heard  time.Time
	silent int  // rounds without an answer
	fresh  bool // it has answered in this round
}

func newWatcher() *watcher { return &watcher{known: map[string]*tracked{}, more: map[string]bool{}} }

// begin begins a round.
func (w *watcher) begin() {
	w.busy = false
	clear(w.more)
	for _, t := range w.known {
		t.fresh = false
	}
}

// question makes the question to all nodes.
func (w *watcher) question(like eventsQuestion) eventsQuestion {
	like.Cursors = map[string]uint64{}
	for instance, t := range w.known {
		if t.here && len(like.Cursors) < mostCursors {
			like.Cursors[instance] = t.next
		}
	}
	return like
}

// again makes the question to the nodes that have more to tell, and reports whether there are any.
// Each is asked again once for each of its answers.
func (w *watcher) again(like eventsQuestion) (eventsQuestion, bool) {
	like.Cursors, like.Rest = map[string]uint64{}, true
	for instance := range w.more {
		if len(like.Cursors) < mostCursors {
			like.Cursors[instance] = w.known[instance].next
			delete(w.more, instance)
		}
	}
	return like, len(like.Cursors) > 0
}

// take takes an answer, and returns the records to yield. One that does not go on from the cursor
// came before, or is for another question.
func (w *watcher) take(a *eventsAnswer, now time.Time) []EventRecord {
	t := w.known[a.Instance]
	if t == nil {
		if !a.Position {
			return nil
		}
		t = &tracked{name: a.Node, next: a.Next}
		w.known[a.Instance] = t
	} else if a.Position && a.Next != t.next {
		w.more[a.Instance] = true // it was not among the cursors
	}
	t.heard, t.silent, t.fresh = now, 0, true
	var all []EventRecord
	if !t.here {
		t.here = true
		all = append(all, EventRecord{Time: now.UTC(), Node: t.name, Instance: a.Instance, Kind: KindNodeJoined})
	}
	if a.Position || a.After != t.next {
		return all
	}
	t.next = a.Next
	if a.More {
		w.more[a.Instance], w.busy = true, true
	}
	return append(all, a.list(now)...)
}

// list returns the records of an answer, with what is missing before them.
func (a *eventsAnswer) list(now time.Time) []EventRecord {
	var all []EventRecord
	if a.Missed > 0 {
		at := now
		if len(a.Records) > 0 {
			at = a.Records[0].Time
		}
		all = append(all, EventRecord{
			Time: at.UTC(), Kind: KindMissed, Missed: a.Missed, Reason: "the node does not keep more records",
		})
	}
	all = append(all, a.Records...)
	for i := range all {
		all[i].Node, all[i].Instance = a.Node, a.Instance
	}
	return all
}

// end ends a round in which the nodes could be asked. It returns the records of those that have
// left.
func (w *watcher) end(now time.Time) []EventRecord {
	var all []EventRecord
	for _, instance := range slices.Sorted(maps.Keys(w.known)) {
		t := w.known[instance]
		if !t.here || t.fresh {
			continue
		}
		if t.silent++; t.silent >= leftRounds && now.Sub(t.heard) >= leftTime {
			t.here = false
			all = append(all, EventRecord{Time: now.UTC(), Node: t.name, Instance: instance, Kind: KindNodeLeft})
		}
	}
	w.forget()
	return all
}

// forget forgets those that have left longest ago, if there are too many.
func (w *watcher) forget() {
	if len(w.known) <= mostTracked {
		return
	}
	gone := slices.SortedFunc(maps.Keys(w.known), func(a, b string) int {
		return cmp.Compare(w.known[a].heard.UnixNano(), w.known[b].heard.UnixNano())
	})
	for _, instance := range first(gone, len(gone)-mostTracked) {
		if !w.known[instance].here {
			delete(w.known, instance)
		}
	}
}

// pause returns how long to wait until the next round.
func (w *watcher) pause() time.Duration {
	if w.busy {
		return eventsSoon
	}
	return eventsEvery
}
