package process

// Inbox is a first-in-first-out queue of messages. It has room for a few in place, so that a
// short-lived actor allocates none. Beyond these it is a ring, so that a busy actor allocates only
// when it falls behind further than ever. The zero value is empty.
type Inbox struct {
	few  [2]any
	ring []any // nil, or of a length that is a power of two
	head uint32
	n    uint32
}

// Len returns how many messages wait.
func (q *Inbox) Len() int { return int(q.n) }

// Push adds a message.
func (q *Inbox) Push(msg any) {
	at := q.slots()
	if int(q.n) == len(at) {
		at = q.grow(at)
	}
	at[(q.head+q.n)&uint32(len(at)-1)] = msg //nolint:gosec // a ring is never that long
	q.n++
}

// Pop returns the oldest message, or false if there is none. Nil is a message like any other.
func (q *Inbox) Pop() (msg any, ok bool) {
	if q.n == 0 {
		return nil, false
	}
	at := q.slots()
	msg = at[q.head]
	at[q.head] = nil
	q.head = (q.head + 1) & uint32(len(at)-1) //nolint:gosec // a ring is never that long
	q.n--
	if q.n == 0 && len(q.ring) > maxIdleRing {
		q.ring, q.head = nil, 0 // a burst must not cost memory for ever
	}
	return msg, true
}

// maxIdleRing is the largest ring that an empty queue keeps.
const maxIdleRing = 4096

func (q *Inbox) slots() []any {
	if q.ring == nil {
		return q.few[:]
	}
	return q.ring
}

func (q *Inbox) grow(from []any) []any {
	ring := make([]any, 4*len(from))
	copied := copy(ring, from[q.head:])
	copy(ring[copied:], from[:q.head])
	clear(from)
	q.ring, q.head = ring, 0
	return ring
}
