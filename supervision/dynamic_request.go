package supervision

import (
	"github.com/gentask/gentask/actor"
)

// request serves all requests but starts.
func (d *dynamic) request(msg anyRequest) {
	if d.stopping {
		msg.refuse(&d.base, ErrStopping)
		return
	}
	switch m := msg.(type) {
	case *terminateRequest:
		d.terminate(m)
	case *restartRequest:
		answer(m.Reply, nil, d.whyNotIdle(m.ID))
	case *deleteRequest:
		answerError(m.Reply, d.whyNotIdle(m.ID))
	case *childRequest:
		d.child(m)
	case *childrenRequest:
		answer(m.Reply, d.list(), nil)
	case *countRequest:
		answer(m.Reply, Counts{
			Specs: d.live, Active: len(d.byPID), Restarting: d.live - len(d.byPID),
			Supervisors: d.nested, Workers: d.live - d.nested,
		}, nil)
	}
}

func (d *dynamic) child(m *childRequest) {
	if c := d.find(m.ID); c != nil {
		answer(m.Reply, c.info(), nil)
		return
	}
	answer(m.Reply, ChildInfo{}, about(ErrNotFound, m.ID))
}

// find returns the child with this ID or with this Id of its PID, or nil.
func (d *dynamic) find(id string) *child {
	if c := d.byID[id]; c != nil {
		return c
	}
	return d.byPID[id]
}

func (d *dynamic) terminate(m *terminateRequest) {
	c := d.find(m.ID)
	if c == nil {
		answerError(m.Reply, about(ErrNotFound, m.ID))
		return
	}
	if m.Reply != nil {
		c.more().stopping = append(c.more().stopping, m.Reply)
	}
	d.discard(c)
}

// discard stops a child for good.
func (d *dynamic) discard(c *child) {
	switch {
	case c.pid != nil && c.state != Stopping:
		d.stop(c)
	case c.pid == nil:
		if c.state == Restarting {
			d.withdraw(c)
		}
		answer(c.takeStarting(), nil, about(ErrStopping, c.spec.ID))
		d.remove(c, actor.ErrShutdown)
	}
}

// whyNotIdle returns why a child can't be restarted or deleted by hand. It is never idle, because a
// dynamic supervisor forgets idle children.
func (d *dynamic) whyNotIdle(id string) error {
	switch c := d.find(id); {
	case c == nil:
		return about(ErrNotFound, id)
	case c.state == Restarting:
		return about(ErrRestarting, id)
	default:
		return about(ErrRunning, id)
	}
}

func (d *dynamic) list() []ChildInfo {
	list := make([]ChildInfo, 0, d.live)
	for _, c := range d.byPID {
		list = append(list, c.info())
	}
	for _, c := range d.byID {
		if c.pid == nil {
			list = append(list, c.info())
		}
	}
	return list
}
