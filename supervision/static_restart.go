package supervision

import (
	"slices"

	"github.com/gentask/gentask/actor"
)

// settle decides about a child that has ended by itself.
func (s *static) settle(c *child, reason error) {
	switch {
	case declines(c, reason):
		s.decline(c, reason)
	case c.spec.wantsRestart(reason):
		s.restart(c, reason, false)
	default:
		s.rest(c, reason)
		if s.wantsShutdown(c) {
			s.shutdown(actor.ErrShutdown)
		}
	}
}

// decline leaves a child that declines to run alone.
func (s *static) decline(c *child, reason error) {
	s.tell(ChildDeclined, c, nil, reason)
	s.rest(c, reason)
}

// wantsShutdown reports whether the end of c is the end of the supervisor.
func (s *static) wantsShutdown(c *child) bool {
	if !c.spec.Significant {
		return false
	}
	switch s.spec.AutoShutdown {
	case Never:
	case AnySignificant:
		return true
	case AllSignificant:
		return s.significant == 0
	}
	return false
}

// restart counts a failure, and restarts the child and its group unless it was one too many. A
// restart is a retry if a start failed.
func (s *static) restart(c *child, reason error, retry bool) {
	if s.window.over(s.spec.Intensity) {
		s.rest(c, reason)
		s.shutdown(s.spec.Intensity.exceeded(c.spec.ID, reason))
		return
	}
	s.set(c, Restarting)
	group := s.group(c)
	var stops []*child
	var left []*recovery
	for _, o := range slices.Backward(group) {
		switch {
		case o == c:
		case o.state == Restarting:
			left = append(left, s.leave(o)...)
		case o.state != Idle:
			stops = append(stops, o)
		}
	}
	s.run(&operation{stops: stops, restarting: true, finish: func(err error) {
		if err == nil {
			s.comeBack(c, group, reason, retry)
		}
	}})
	for _, r := range left {
		s.waited(r)
	}
}

// group returns the children that are restarted when c fails, in the order of their start.
func (s *static) group(c *child) []*child {
	switch s.spec.Strategy {
	case OneForOne:
	case OneForAll:
		return slices.Collect(s.children.all())
	case RestForOne:
		return s.children.from(c)
	}
	return []*child{c}
}

// comeBack makes a group, which has been stopped, wait for its restart.
func (s *static) comeBack(c *child, group []*child, reason error, retry bool) {
	group = slices.DeleteFunc(group, func(o *child) bool { return o.spec.Restart == Temporary })
	for _, o := range group {
		o.restarts++
	}
	s.begin(c, group, reason, retry)
}

// recovered starts the children of a recovery that is over, after the current operation.
func (s *static) recovered(r *recovery) {
	if s.op != nil {
		s.queue = append(s.queue, r)
		return
	}
	if members := r.remaining(); len(members) > 0 {
		s.run(&operation{starts: members, restarting: true, finish: func(error) {}})
	}
}

func (s *static) refused(c *child, reason error) { s.rest(c, reason) }
