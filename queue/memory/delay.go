package memory

import (
	"cmp"
	"container/heap"
	"time"
)

// delays is a heap of the delayed messages, ordered by the time at which they are due, and then by
// the order in which they were added. It is guarded by the queue's mutex.
type delays struct {
	all   []delayed
	count uint64      // of all that were ever added
	timer *time.Timer // fires when the first is due; nil until it is needed
}

// delayed is one delayed message.
type delayed struct {
	item
	due time.Time
	n   uint64 // its place in the order
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (d *delays) Len() int { return len(d.all) }

func (d *delays) Less(i, j int) bool {
	a, b := &d.all[i], &d.all[j]
	return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.n, b.n)) < 0
}

func (d *delays) Swap(i, j int) { d.all[i], d.all[j] = d.all[j], d.all[i] }

func (d *delays) Push(one any) { d.all = append(d.all, one.(delayed)) } //nolint:forcetypeassert // see delay

func (d *delays) Pop() any {
	last := len(d.all) - 1
	one := d.all[last]
	d.all[last] = delayed{}
	d.all = d.all[:last]
	return one
}

// delay adds it; when wait has passed, it goes to the tail.
func (q *Queue) delay(it item, wait time.Duration) {
	d := &q.delayed
	d.count++
	heap.Push(d, delayed{item: it, due: time.Now().Add(wait), n: d.count})
	if d.all[0].n == d.count {
		q.setDelay(wait)
	}
}

// setDelay starts the timer, which fires after wait.
func (q *Queue) setDelay(wait time.Duration) {
	if d := &q.delayed; d.timer != nil {
		d.timer.Reset(wait)
		return
	}
	q.delayed.timer = time.AfterFunc(wait, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.due(time.Now())
	})
}

// due moves the messages that are due to the tail. In a closed queue messages stay delayed.
func (q *Queue) due(now time.Time) {
	d := &q.delayed
	for len(d.all) > 0 && !q.closed {
		if wait := d.all[0].due.Sub(now); wait > 0 {
			q.setDelay(wait)
			return
		}
		one := heap.Pop(d).(delayed) //nolint:forcetypeassert // see delay
		q.ready.pushBack(one.item)
		q.note(Entry{Op: Due, ID: one.ID, Attempt: one.attempt})
		q.wake()
	}
}

// stop stops the timer.
func (d *delays) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
