package memory

import (
	"math/bits"

	"github.com/gentask/gentask/queue"
)

// levels is what waits: a double-ended queue for each priority, the higher one first. The zero value is empty.
type levels struct {
	rings [queue.MaxPriority + 1]ring[item]
	used  uint16 // bit p: there is something of priority p
	n     int
}

// len returns how many items there are.
func (l *levels) len() int { return l.n }

// at returns the place of the i-th item in the order of popFront, from 0.
func (l *levels) at(i int) *item {
	p := l.top()
	for i >= l.rings[p].len() {
		i -= l.rings[p].len()
		p--
	}
	return l.rings[p].at(i)
}

// pushBack puts it behind all of its priority.
func (l *levels) pushBack(it item) {
	l.count(it)
	l.rings[it.Priority].pushBack(it)
}

// pushFront puts it before all of its priority, but for those that were handed out before it and have come back, too.
func (l *levels) pushFront(it item) {
	l.count(it)
	r := &l.rings[it.Priority]
	r.pushFront(it)
	for i := 1; i < r.len() && r.at(i).back > 0 && r.at(i).back < it.back; i++ {
		*r.at(i - 1), *r.at(i) = *r.at(i), *r.at(i - 1)
	}
}

// count notes one item more.
func (l *levels) count(it item) {
	l.used |= 1 << it.Priority
	l.n++
}

// popFront takes the first item of the highest priority there is. There must be one.
func (l *levels) popFront() item {
	p := l.top()
	it := l.rings[p].popFront()
	if l.rings[p].len() == 0 {
		l.used &^= 1 << p
	}
	l.n--
	return it
}

// top is the highest priority of which there is something.
func (l *levels) top() int { return bits.Len16(l.used) - 1 }
