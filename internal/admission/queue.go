package admission

import (
	"cmp"
	"slices"
	"time"
)

// Queue is what waits for a slot, in the order of arrival. Slots are the caller's concern: Next
// returns the item to start, and the caller reports what becomes of it.
//
// Two rules hold without any policy. Of the deliveries of one message at most one is at work here,
// and so of those with the same order key. Items that share either form a chain. Only the first of
// a chain may start, and it stays the first until its worker and task are gone. An item that is the
// first of its chains waits in the queue of its fairness key, and these queues take turns. Without
// keys that is one queue, and the gates alone decide.
//
// Each queue keeps a cursor: a refused item is asked for again only after a change, which the
// methods note themselves, and [Queue.Changed] reports.
type Queue struct {
	gates   []Gate
	ids     chains[Identity]
	orders  chains[string]
	turns   turns
	waiting int
	round   uint64    // the number of changes that may have opened a gate
	again   time.Time // when a gate that was asked since wants to be asked again; zero for never
	held    bool      // the last call of Next returned nothing
}

// NewQueue returns an empty queue with the given gates, which are asked in this order.
func NewQueue(gates []Gate) *Queue {
	return &Queue{
		gates: gates, turns: newTurns(),
		ids: newChains[Identity](idLinks), orders: newChains[string](orderLinks),
	}
}

// SetGates replaces the gates. One that stays must be the same value as before.
func (q *Queue) SetGates(gates []Gate) {
	q.gates = gates
	q.Changed()
}

// Gated reports whether there is a gate, and so whether the results of runs are of use.
func (q *Queue) Gated() bool { return len(q.gates) > 0 }

// Len returns how many items wait.
func (q *Queue) Len() int { return q.waiting }

// HeldBack reports whether the items that wait were held back, by a gate or by an earlier item,
// when Next was called last.
func (q *Queue) HeldBack() bool { return q.waiting > 0 && q.held }

// Push puts an item behind all others.
func (q *Queue) Push(it *Item) {
	q.enter(it)
	q.ids.join(it, it.Identity)
	q.orders.join(it, it.keys().Order)
	q.line(it)
}

// PushAgain puts next, for another run of the delivery of it, where it is: ahead of all that came
// after it. The item waits until at. PushAgain is called instead of Ended and Gone.
func (q *Queue) PushAgain(it, next *Item, r Result, how Fate, at, now time.Time) {
	for _, g := range q.gates {
		g.Ended(it, r, now)
		g.Gone(it, how, now)
	}
	same := *it.keys()
	same.NotBefore, same.Floor = at, false
	next.Keys = &same
	q.enter(next)
	q.ids.replace(it, next, it.Identity)
	q.orders.replace(it, next, same.Order)
	it.state = outside
	q.line(next)
	q.Changed()
}

func (q *Queue) enter(it *Item) {
	q.waiting++
	it.state = waiting
}

// line puts an item into the queue of its key, if it is the first of its chains.
func (q *Queue) line(it *Item) {
	if it.ahead == 0 {
		q.turns.add(it)
	}
}

// Changed notes a change that may have opened a gate.
func (q *Queue) Changed() {
	q.round++
	q.again = time.Time{}
}

// Next takes out the next item, if the answer is Admit or GiveBack. After Admit, Started or Gone
// must follow before Next is called again; after GiveBack, Gone follows at some time. Otherwise the
// item is nil, and Until is when to call again at the latest; zero is after a change.
func (q *Queue) Next(now time.Time) (*Item, Answer) {
	if !q.again.IsZero() && !now.Before(q.again) {
		q.Changed()
	}
	for t := q.turns.list.First(); t != nil; t = q.turns.list.Next(t) {
		it, a := q.search(t, now)
		switch a.Kind {
		case Admit, GiveBack:
			q.turns.take(it)
			q.waiting--
			it.state, q.held = named, false
			return it, a
		case Block:
			q.held = true
			return nil, Answer{Kind: Block, Until: q.again}
		case Skip:
		}
	}
	q.held = true
	return nil, Answer{Kind: Skip, Until: q.again}
}

// search asks for the items of one queue that were not asked for since the last change, and returns
// the first that isn't skipped.
func (q *Queue) search(t *keyQueue, now time.Time) (*Item, Answer) {
	if t.round != q.round {
		t.round, t.cursor = q.round, t.items.First()
	}
	for ; t.cursor != nil; t.cursor = t.items.Next(t.cursor) {
		if a := q.ask(t.cursor, now); a.Kind != Skip {
			return t.cursor, a
		}
	}
	return nil, Answer{Kind: Skip}
}

// ask asks the gates.
func (q *Queue) ask(it *Item, now time.Time) Answer {
	if k := it.Keys; k != nil && now.Before(k.NotBefore) {
		q.remember(k.NotBefore)
		return Answer{Kind: Skip}
	}
	for _, g := range q.gates {
		if a := g.Pass(it, now); a.Kind != Admit {
			q.remember(a.Until)
			return a
		}
	}
	return Answer{}
}

func (q *Queue) remember(until time.Time) {
	if !until.IsZero() && (q.again.IsZero() || until.Before(q.again)) {
		q.again = until
	}
}

// Started reports that the item, which Next has returned, was started.
func (q *Queue) Started(it *Item, now time.Time) {
	it.state = working
	for _, g := range q.gates {
		g.Started(it, now)
	}
}

// Ended reports that the worker and the task of an item are gone. The next items of its chains may
// start.
func (q *Queue) Ended(it *Item, r Result, now time.Time) {
	for _, g := range q.gates {
		g.Ended(it, r, now)
	}
	q.leave(it)
}

// Gone reports that the delivery of an item is settled or lost. An item that waits is taken out.
// One that was started keeps its place in its chains until Ended.
func (q *Queue) Gone(it *Item, how Fate, now time.Time) {
	for _, g := range q.gates {
		g.Gone(it, how, now)
	}
	switch it.state {
	case waiting:
		q.drop(it)
		q.leave(it)
	case named:
		q.leave(it)
	case working, outside:
	}
	if q.Gated() {
		q.Changed()
	}
}

// LowerFloor lets an item start now that waits because of its floor.
func (q *Queue) LowerFloor(it *Item) {
	if k := it.Keys; it.state == waiting && k != nil && k.Floor {
		k.NotBefore, k.Floor = time.Time{}, false
		q.Changed()
	}
}

func (q *Queue) drop(it *Item) {
	q.waiting--
	if it.waiting.In() {
		q.turns.take(it)
	}
}

// leave takes an item out of its chains.
func (q *Queue) leave(it *Item) {
	it.state = outside
	q.promote(q.ids.leave(it, it.Identity))
	q.promote(q.orders.leave(it, it.keys().Order))
	q.Changed()
}

// promote puts an item that has become the first of a chain into the queue of its key, if it is the
// first of all its chains.
func (q *Queue) promote(it *Item) {
	if it == nil {
		return
	}
	if it.ahead--; it.ahead == 0 {
		q.turns.add(it)
	}
}

// Take takes out all items that wait, in the order of arrival. Those that were started stay the
// first of their chains.
func (q *Queue) Take() []*Item {
	all := make([]*Item, 0, q.waiting)
	for t := range q.turns.list.All() {
		all = append(all, t.items.Slice()...)
	}
	all = q.orders.behindFirst(q.ids.behindFirst(all))
	slices.SortFunc(all, func(a, b *Item) int { return cmp.Compare(a.Serial, b.Serial) })
	all = slices.Compact(all) // some are behind in both chains
	for _, it := range slices.Backward(all) {
		q.drop(it)
		q.leave(it)
	}
	return all
}
