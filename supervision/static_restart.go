package supervision

import (
	"slices"

	"github.com/gentask/gentask/actor"
)

// settle decides what becomes of a child that has ended by itself.
func (s *static) settle(c *child, reason error) {
	if c.spec.wantsRestart(reason) {
		s.restart(c, reason)
		return
	}
	s.rest(c, reason)
	if s.wantsShutdown(c) {
		s.shutdown(actor.ErrShutdown)
	}
}

// wantsShutdown says whether the end of c is the end of the supervisor.
func (s *static) wantsShutdown(c *child) bool {
	if !c.spec.Significant {
		return false
	}
	switch s.spec.AutoShutdown {
	case Never:
	case AnySignificant:
		return true
	case AllSignificant:
		return !slices.ContainsFunc(s.children, func(o *child) bool { return o.spec.Significant && o.state != Idle })
	}
	return false
}

// restart counts a failure, and makes the child and its group come back unless it was one too many.
func (s *static) restart(c *child, reason error) {
	if s.window.over(s.spec.Intensity) {
		s.rest(c, reason)
		s.shutdown(s.spec.Intensity.exceeded(c.spec.ID, reason))
		return
	}
	c.state = Restarting
	group := s.group(c)
	var stops []*child
	for _, o := range slices.Backward(group) {
		if o.pid != nil {
			stops = append(stops, o)
		}
		if o.rare != nil && o.rare.recovery != nil {
			o.rare.recovery.cancel()
		}
	}
	s.run(&operation{stops: stops, restarting: true, finish: func(err error) {
		if err == nil {
			s.comeBack(c, group, reason)
		}
	}})
}

// group returns who is restarted when c fails, in the order of their start.
func (s *static) group(c *child) []*child {
	switch s.spec.Strategy {
	case OneForOne:
	case OneForAll:
		return slices.Clone(s.children)
	case RestForOne:
		return slices.Clone(s.children[slices.Index(s.children, c):])
	}
	return []*child{c}
}

// comeBack makes a group, which has been stopped, wait for its restart.
func (s *static) comeBack(c *child, group []*child, reason error) {
	group = slices.DeleteFunc(group, func(o *child) bool { return o.spec.Restart == Temporary })
	for _, o := range group {
		o.restarts++
	}
	s.begin(c, group, reason)
}

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
