package gentask

// turns are the queues of what may be started, one for each fairness key. They have turns: the queue that was taken from goes behind the others.
// A queue is there for as long as something waits in it.
type turns struct {
	by          map[string]*turn
	plain       turn // the queue of the empty key, which is all there is without fairness; it costs no allocation
	first, last *turn
}

// turn is one queue, in order of arrival.
type turn struct {
	key        string
	head, tail *entry
	cursor     *entry // what comes before was asked for in this round, in vain
	round      uint64
	listed     bool
	prev, next *turn
}

// queue puts e where it belongs by its arrival: at the end, unless it had to wait for another to end.
func (t *turns) queue(e *entry) {
	q := t.of(e.spot.fair())
	e.spot.queue = q
	after := q.tail
	if after != nil && after.serial > e.serial {
		after = q.before(e)
	}
	q.insert(e, after)
	if !q.listed {
		t.list(q)
	}
}

func (t *turns) of(key string) *turn {
	if key == "" {
		return &t.plain
	}
	q := t.by[key]
	if q == nil {
		q = &turn{key: key}
		t.by[key] = q
	}
	return q
}

// before returns the last one that came before e. What has had to wait is old: it is looked for from the front.
func (q *turn) before(e *entry) *entry {
	var last *entry
	for x := q.head; x != nil && x.serial < e.serial; x = x.spot.next {
		last = x
	}
	return last
}

// insert puts e behind after; nil for the front.
func (q *turn) insert(e, after *entry) {
	next := q.head
	if after != nil {
		next = after.spot.next
		after.spot.next = e
	} else {
		q.head = e
	}
	e.spot.prev, e.spot.next = after, next
	if next != nil {
		next.spot.prev = e
	} else {
		q.tail = e
	}
	if q.cursor == next {
		q.cursor = e
	}
}

// take takes e out. Its queue goes behind the others, or away.
func (t *turns) take(e *entry) {
	q := e.spot.queue
	q.remove(e)
	t.unlist(q)
	switch {
	case q.head != nil:
		t.list(q)
	case q.key != "":
		delete(t.by, q.key)
	}
}

func (q *turn) remove(e *entry) {
	prev, next := e.spot.prev, e.spot.next
	if q.cursor == e {
		q.cursor = next
	}
	if prev != nil {
		prev.spot.next = next
	} else {
		q.head = next
	}
	if next != nil {
		next.spot.prev = prev
	} else {
		q.tail = prev
	}
	e.spot.prev, e.spot.next, e.spot.queue = nil, nil, nil
}

func (t *turns) list(q *turn) {
	q.listed, q.prev, q.next = true, t.last, nil
	if t.last != nil {
		t.last.next = q
	} else {
		t.first = q
	}
	t.last = q
}

func (t *turns) unlist(q *turn) {
	if q.prev != nil {
		q.prev.next = q.next
	} else {
		t.first = q.next
	}
	if q.next != nil {
		q.next.prev = q.prev
	} else {
		t.last = q.prev
	}
	q.listed, q.prev, q.next = false, nil, nil
}
