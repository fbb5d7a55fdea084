package admission

import "github.com/gentask/gentask/internal/list"

// turns are the queues of the items that may start, one for each fairness key. They take turns:
// after an item is taken from it, a queue goes behind the others. A queue exists as long as an item
// waits in it.
type turns struct {
	by    map[string]*keyQueue
	plain keyQueue // of the empty key; without fairness there is no other, and it costs no allocation
	list  list.List[keyQueue]
}

// keyQueue is the queue of one fairness key, in the order of arrival.
type keyQueue struct {
	key    string
	items  list.List[Item]
	cursor *Item // the items before it were asked for in this round, in vain
	round  uint64
	turn   list.Links[keyQueue]
}

func waitingLinks(it *Item) *list.Links[Item] { return &it.waiting }

func turnLinks(q *keyQueue) *list.Links[keyQueue] { return &q.turn }

func newTurns() turns {
	return turns{
		by: map[string]*keyQueue{}, plain: keyQueue{items: list.New(waitingLinks)}, list: list.New(turnLinks),
	}
}

// add puts an item where it belongs by its arrival: at the end, unless it had to wait for another
// one to end.
func (t *turns) add(it *Item) {
	q := t.of(it.keys().Fair)
	after := q.items.Last()
	if after != nil && after.Serial > it.Serial {
		after = q.before(it)
	}
	q.insert(it, after)
	if !t.list.Has(q) {
		t.list.Push(q)
	}
}

func (t *turns) of(key string) *keyQueue {
	if key == "" {
		return &t.plain
	}
	q := t.by[key]
	if q == nil {
		q = &keyQueue{key: key, items: list.New(waitingLinks)}
		t.by[key] = q
	}
	return q
}

// before returns the last item that came before it; the last one of all came later. An item that
// had to wait is old, so the search begins at the front.
func (q *keyQueue) before(it *Item) *Item {
	var last *Item
	for x := q.items.First(); x.Serial < it.Serial; x = q.items.Next(x) {
		last = x
	}
	return last
}

// insert puts an item behind after; nil is the front.
func (q *keyQueue) insert(it, after *Item) {
	next := q.items.First()
	if after != nil {
		next = q.items.Next(after)
	}
	q.items.InsertAfter(after, it)
	if q.cursor == next {
		q.cursor = it
	}
}

// take takes an item out. Its queue goes behind the others, or away if it is empty.
func (t *turns) take(it *Item) {
	q := t.of(it.keys().Fair)
	if q.cursor == it {
		q.cursor = q.items.Next(it)
	}
	q.items.Remove(it)
	t.list.Remove(q)
	switch {
	case q.items.Len() > 0:
		t.list.Push(q)
	case q.key != "":
		delete(t.by, q.key)
	}
}
