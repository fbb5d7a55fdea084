package memory

import (
	"math/bits"

	"github.com/gentask/gentask/queue"
)

// levels holds the waiting messages: a double-ended queue for each priority, the higher one first.
// The zero value is empty.
type levels struct {
	rings [queue.MaxPriority + 1]ring[item]
	used  uint16 // bit p is set if there is a message of priority p
	n     int
}

// len returns the number of items.
func (l *levels) len() int { return l.n }

// at returns a pointer to the i-th item in the order of popFront, from 0.
func (l *levels) at(i int) *item {
	p := l.top()
	for i >= l.rings[p].len() {
		i -= l.rings[p].len()
		p--
	}
	return l.rings[p].at(i)
}

// pushBack adds it behind all items of its priority.
func (l *levels) pushBack(it item) {
	l.count(it)
	l.rings[it.Priority].pushBack(it)
}

// pushFront adds it before all items of its priority, except those that were handed out before it
// and have also come back.
func (l *levels) pushFront(it item) {
	l.count(it)
	r := &l.rings[it.Priority]
	r.pushFront(it)
	for i := 1; i < r.len() && r.at(i).back > 0 && r.at(i).back < it.back; i++ {
		*r.at(i - 1), *r.at(i) = *r.at(i), *r.at(i - 1)
	}
}

// count records one more item.
func (l *levels) count(it item) {
	l.used |= 1 << it.Priority
	l.n++
}

// popFront removes and returns the first item of the highest priority. levels must not be empty.
func (l *levels) popFront() item {
	p := l.top()
	it := l.rings[p].popFront()
	if l.rings[p].len() == 0 {
		l.used &^= 1 << p
	}
	l.n--
	return it
}

// top returns the highest priority that has items.
func (l *levels) top() int { return bits.Len16(l.used) - 1 }
