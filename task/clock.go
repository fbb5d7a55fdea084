package task

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"
)

// clock holds the deadlines of a share's tasks, with one timer of the runtime's for all of them.
// One for each is an eighth of the memory of a short task. Nearly all deadlines are equally far
// away, by the timeout or the grace. So they are in lists, one for each length of time: the first
// that was set is the first that is due. The cost of setting or removing one does not depend on
// their number. The lists are in a heap, for callers that compute each timeout. mu of the share
// guards it.
type clock struct {
	lists map[time.Duration]*deadlines
	order listHeap
	spare *deadlines // emptied last: tasks that come one by one reuse it
	timer *time.Timer
	armed time.Duration // when the timer fires, since the share's epoch
	ticks bool          // the timer is set
	fire  func()        // called by the timer
}

// deadlines are the deadlines of the same length of time, in the order of their setting.
type deadlines struct {
	length      time.Duration
	first, last *run
	place       int // in the heap
}

// wait is the place of a run among the deadlines.
type wait struct {
	due         time.Duration // the last deadline that was set, since the share's epoch
	list        *deadlines    // nil: there is no deadline
	early, late *run
}

// after returns now + d. A negative d counts as zero, and a sum beyond Forever is Forever.
func after(now, d time.Duration) time.Duration {
	d = max(d, 0)
	if now > math.MaxInt64-d {
		return Forever
	}
	return now + d
}

// set makes r due after d from now. A run is never due at Forever.
func (c *clock) set(r *run, now, d time.Duration) {
	c.unset(r)
	d = max(d, 0)
	due := after(now, d)
	if due == Forever {
		return
	}
	list := c.list(d)
	r.wait = wait{due: due, list: list, early: list.last}
	if list.last == nil {
		list.first = r
		heap.Push(&c.order, list)
	} else {
		list.last.wait.late = r
	}
	list.last = r
	if !c.ticks || due < c.armed {
		c.arm(now, due)
	}
}

// list returns the list for a length of time, which may be an empty one.
func (c *clock) list(d time.Duration) *deadlines {
	if list := c.lists[d]; list != nil {
		return list
	}
	if c.lists == nil {
		c.lists = map[time.Duration]*deadlines{}
	}
	list := c.spare
	c.spare = nil
	if list == nil {
		list = &deadlines{}
	}
	list.length = d
	c.lists[d] = list
	return list
}

func (c *clock) arm(now, due time.Duration) {
	c.armed, c.ticks = due, true
	if c.timer == nil {
		c.timer = time.AfterFunc(due-now, c.fire)
		return
	}
	c.timer.Reset(due - now)
}

// unset forgets r. The timer may then fire without a deadline.
func (c *clock) unset(r *run) {
	w := r.wait
	if w.list == nil {
		return
	}
	r.wait = wait{due: w.due}
	if w.late == nil {
		w.list.last = w.early
	} else {
		w.late.wait.early = w.early
	}
	if w.early != nil {
		w.early.wait.late = w.late
		return
	}
	w.list.first = w.late
	if w.late != nil {
		heap.Fix(&c.order, w.list.place)
		return
	}
	heap.Remove(&c.order, w.list.place)
	delete(c.lists, w.list.length)
	c.spare = w.list
}

// take returns the runs that are due, in the order of their deadlines, and forgets them.
func (c *clock) take(now time.Duration) []*run {
	var due []*run
	for len(c.order) > 0 && c.order[0].due() <= now {
		first := c.order[0].first
		due = append(due, first)
		c.unset(first)
	}
	if c.ticks = len(c.order) > 0; c.ticks {
		c.arm(now, c.order[0].due())
	}
	slices.SortFunc(due, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.wait.due, b.wait.due), cmp.Compare(a.id, b.id))
	})
	return due
}

// stop stops the timer.
func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (d *deadlines) due() time.Duration { return d.first.wait.due }

// listHeap has the list that is due first at its top. No list in it is empty.
type listHeap []*deadlines

// Len implements [heap.Interface], like the other methods.
func (h listHeap) Len() int { return len(h) }

// Less compares the first deadlines.
func (h listHeap) Less(i, j int) bool { return h[i].due() < h[j].due() }

// Swap swaps two lists.
func (h listHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push adds a list at the end.
func (h *listHeap) Push(x any) {
	list, _ := x.(*deadlines)
	list.place = len(*h)
	*h = append(*h, list)
}

// Pop removes the last list.
func (h *listHeap) Pop() any {
	last := len(*h) - 1
	list := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return list
}
