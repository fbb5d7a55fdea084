package memory

import "time"

// delay puts it behind the tail after d.
func (q *Queue) delay(it item, d time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		q.mu.Lock() // which delay's caller holds, so timer is set
		defer q.mu.Unlock()
		q.due(timer)
	})
	q.delayed[timer] = it
}

// due ends the delay of one message. In a closed queue it stays delayed.
func (q *Queue) due(timer *time.Timer) {
	it, ok := q.delayed[timer]
	if !ok || q.closed {
		return
	}
	delete(q.delayed, timer)
	q.ready.pushBack(it)
	q.note(Entry{Op: Due, ID: it.ID, Attempt: it.attempt})
	q.wake()
}
