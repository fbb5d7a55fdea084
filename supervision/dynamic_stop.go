package supervision

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// sweep ends the wait for the children that have the same Shutdown: one timer for each such time,
// not for each child.
type sweep struct {
	children []*child
	killed   bool // they have had killTime already
}

// shutdown stops all children at once, and ends the supervisor when the last is gone.
func (d *dynamic) shutdown(reason error) {
	if d.stopping {
		return
	}
	d.stopping, d.reason = true, reason
	d.publish(Event{Kind: SupervisorStopping, Reason: reason})
	if d.live == 0 {
		d.exit()
		return
	}
	d.discardWaiting()
	limits := make(map[time.Duration]*sweep)
	for _, c := range d.inOrder() {
		if c.state == Stopping {
			continue // by a request, with a timer of its own
		}
		limit := c.shutdown()
		if limit == Brutal {
			d.kill(c)
			continue
		}
		d.askToStop(c)
		if limit != Infinity {
			if limits[limit] == nil {
				limits[limit] = &sweep{}
			}
			limits[limit].children = append(limits[limit].children, c)
		}
	}
	for limit, s := range limits {
		d.after(limit, s)
	}
}

// discardWaiting forgets the children that have no incarnation to stop.
func (d *dynamic) discardWaiting() {
	for _, c := range d.byID {
		if c.pid == nil {
			d.discard(c)
		}
	}
}

// inOrder returns the children that have an incarnation, by its name, so that each stop has the
// same order.
func (d *dynamic) inOrder() []*child {
	return slices.SortedFunc(maps.Values(d.byPID), func(a, b *child) int { return strings.Compare(a.pid.Id, b.pid.Id) })
}

func (d *dynamic) after(t time.Duration, m *sweep) {
	d.timers = append(d.timers, process.SendAfter(d.ctx, t, m))
}

func (d *dynamic) sweep(m *sweep) {
	var left []*child
	for _, c := range m.children {
		switch {
		case c.pid == nil: // it has ended
		case m.killed:
			d.abandon(c)
		default:
			d.tell(ChildKilled, c, c.pid, nil)
			actor.Kill(d.ctx.ActorSystem(), c.pid)
			left = append(left, c)
		}
	}
	if len(left) > 0 {
		d.after(killTime, &sweep{children: left, killed: true})
	}
}

// cleanUp stops the timers of a supervisor that has ended, in any way, and answers the requests
// that wait.
func (d *dynamic) cleanUp() {
	d.stopping = true
	for _, t := range d.timers {
		t.Stop()
	}
	for _, c := range d.byPID {
		c.stopTimer()
		answer(c.takeStarting(), nil, ErrStopping)
		for _, reply := range c.takeStopping() {
			reply(ErrStopping)
		}
	}
	for _, c := range d.byID {
		if c.rare != nil && c.rare.recovery != nil {
			c.rare.recovery.stopTimer()
		}
	}
}
