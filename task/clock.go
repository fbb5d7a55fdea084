package task

import (
	"cmp"
	"slices"
	"time"
)

// clock holds the deadlines of a share's tasks: one timer of the runtime's for all of them, because one for each is an eighth of what a short
// task costs in memory. Nearly all deadlines are as far away as each other, the timeout or the grace. So they are kept in lists, one for each
// length of time: in a list the first that was set is the first that is due, and to set one and to take one out cost the same however many
// there are. It is guarded by the share's mu.
type clock struct {
	lists map[time.Duration]*deadlines
	timer *time.Timer
	armed time.Duration // when the timer fires, since the share's epoch
	ticks bool          // it does
	fire  func()        // called by the timer
}

// deadlines are those that were set for the same length of time, in the order of their setting.
type deadlines struct{ first, last *run }

// wait is the place of a run among the deadlines.
type wait struct {
	due         time.Duration // the last deadline that was set, since the share's epoch
	list        *deadlines    // nil: there is nothing to wait for
	early, late *run
}

// set makes r due after d from now.
func (c *clock) set(r *run, now, d time.Duration) {
	c.unset(r)
	list := c.lists[d]
	if list == nil {
		if c.lists == nil {
			c.lists = map[time.Duration]*deadlines{}
		}
		list = &deadlines{}
		c.lists[d] = list
	}
	r.wait = wait{due: now + max(d, 0), list: list, early: list.last}
	if list.last == nil {
		list.first = r
	} else {
		list.last.wait.late = r
	}
	list.last = r
	if !c.ticks || r.wait.due < c.armed {
		c.arm(now, r.wait.due)
	}
}

func (c *clock) arm(now, due time.Duration) {
	c.armed, c.ticks = due, true
	if c.timer == nil {
		c.timer = time.AfterFunc(due-now, c.fire)
		return
	}
	c.timer.Reset(due - now)
}

// unset forgets r. The timer may then fire for nobody.
func (c *clock) unset(r *run) {
	w := r.wait
	if w.list == nil {
		return
	}
	r.wait = wait{due: w.due}
	if w.early == nil {
		w.list.first = w.late
	} else {
		w.early.wait.late = w.late
	}
	if w.late == nil {
		w.list.last = w.early
	} else {
		w.late.wait.early = w.early
	}
}

// take returns the runs that are due, in the order of their deadlines, and forgets them.
func (c *clock) take(now time.Duration) []*run {
	var due []*run
	c.ticks = false
	for d, list := range c.lists {
		for list.first != nil && list.first.wait.due <= now {
			due = append(due, list.first)
			c.unset(list.first)
		}
		if list.first == nil {
			delete(c.lists, d)
		} else if at := list.first.wait.due; !c.ticks || at < c.armed {
			c.arm(now, at)
		}
	}
	slices.SortFunc(due, func(a, b *run) int { return cmp.Or(cmp.Compare(a.wait.due, b.wait.due), cmp.Compare(a.id, b.id)) })
	return due
}

// stop leaves no timer behind.
func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}
