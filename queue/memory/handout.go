package memory

import "github.com/gentask/gentask/queue"

// take takes the next message out of the queue: the first, unless a fault changes the order.
func (q *Queue) take() item {
	if n := min(q.ready.len(), reach); n > 1 && q.strikes(&q.faults.Reorder) {
		first, other := q.ready.at(0), q.ready.at(1+q.rng.IntN(n-1))
		*first, *other = *other, *first
	}
	it := q.ready.popFront()
	if !it.copied && q.strikes(&q.faults.Duplicate) {
		twin := it
		twin.copied = true
		q.ready.pushBack(twin)
		q.locks.copied(it.sequence)
		q.stats.Duplicated++
		q.note(Entry{Op: Duplicated, ID: it.ID, Attempt: it.attempt})
	}
	return it
}

// handOut makes it a delivery of this session.
func (s *session) handOut(it item) *queue.Delivery {
	s.lastTag++
	d := &queue.Delivery{
		Message: it.Message, Tag: s.lastTag, Attempt: it.attempt, Redelivered: it.redelivered,
		Sequence: it.sequence,
	}
	if s.late > 0 {
		s.late--
	}
	q := s.q
	q.stats.Delivered++
	s.held[d.Tag] = holding{Delivery: d, copied: it.copied, handed: q.stats.Delivered}
	q.stats.Held++
	q.stats.MaxHeld = max(q.stats.MaxHeld, q.stats.Held)
	q.note(Entry{Op: Delivered, Session: s.number, Tag: d.Tag, ID: d.ID, Attempt: d.Attempt})
	return d
}
