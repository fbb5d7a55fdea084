package actor

// inbox is a first-in-first-out queue of messages with room for a few in place, so that a short-lived actor allocates none.
type inbox struct {
	few  [2]any
	head uint8
	n    uint8
	more []any
}

func (q *inbox) len() int { return int(q.n) + len(q.more) }

func (q *inbox) push(msg any) {
	if len(q.more) == 0 && int(q.n) < len(q.few) {
		q.few[(q.head+q.n)%uint8(len(q.few))] = msg
		q.n++
		return
	}
	q.more = append(q.more, msg)
}

// pop returns the oldest message, and false when there is none: nil is a message like any other.
func (q *inbox) pop() (msg any, ok bool) {
	if q.n > 0 {
		msg = q.few[q.head]
		q.few[q.head] = nil
		q.head = (q.head + 1) % uint8(len(q.few))
		q.n--
		return msg, true
	}
	if len(q.more) == 0 {
		return nil, false
	}
	msg = q.more[0]
	q.more[0] = nil
	q.more = q.more[1:]
	if len(q.more) == 0 {
		q.more = nil
	}
	return msg, true
}
