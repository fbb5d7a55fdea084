package supervision

import (
	"slices"

	"github.com/gentask/gentask/actor"
)

// operation is a sequence of stops and starts, one at a time.
type operation struct {
	stops   []*child // these first, in this order
	starts  []*child // then these
	current *child   // the one that is waited for

	// restarting: what is stopped is to be started again, and a failed start is a failure of that child.
	restarting bool

	// finish is called once: with nil when everything is done, with a *StartError, or with ErrStopping if the supervisor stops first.
	finish func(error)
}

func (s *static) run(op *operation) {
	for _, c := range op.stops {
		c.doomed = true
	}
	s.op = op
	s.step()
}

// step goes on with the operation, as far as it goes without waiting.
func (s *static) step() {
	op := s.op
	for len(op.stops) > 0 {
		c := op.stops[0]
		op.stops = op.stops[1:]
		if c.pid == nil {
			continue // it has ended meanwhile
		}
		op.current = c
		if c.state != Stopping {
			s.stop(c)
		}
		return
	}
	if len(op.starts) > 0 {
		op.current = op.starts[0]
		op.starts = op.starts[1:]
		s.spawn(op.current, true)
		return
	}
	s.op = nil
	op.finish(nil)
}

// normalEnd tells that a child which had nothing to do but Started has ended. The operation that started it goes on first.
type normalEnd struct{ c *child }

// gone decides what the end of an incarnation means.
func (s *static) gone(c *child, reason error) {
	switch {
	case c.doomed:
		s.stopped(c, reason)
	case c.state != Starting:
		s.settle(c, reason)
	case reason == nil:
		s.started(c)
		s.queue = append(s.queue, &normalEnd{c: c})
		s.step()
	default:
		s.startFailed(c, reason)
	}
}

// stopped goes on after a child that the operation has stopped, or was about to.
func (s *static) stopped(c *child, reason error) {
	c.doomed = false
	if s.op.restarting && c.spec.Restart != Temporary {
		c.state = Restarting
	} else {
		s.rest(c, reason)
	}
	if c == s.op.current {
		s.step()
	}
}

// rest leaves a child that is not to be started again alone. A temporary one is forgotten.
func (s *static) rest(c *child, reason error) {
	c.state = Idle
	s.final(c, reason)
	if c.spec.Restart == Temporary {
		s.remove(c)
	}
}

func (s *static) ready(m *actor.Ready) {
	c := s.childOf(m.PID)
	if c == nil || c.state != Starting || s.op == nil || c != s.op.current {
		return
	}
	s.started(c)
	s.step()
}

func (s *static) started(c *child) {
	c.state = Running
	s.tell(ChildStarted, c, c.last, nil)
}

func (s *static) startFailed(c *child, reason error) {
	op := s.op
	s.op = nil
	s.tell(ChildStartFailed, c, nil, reason)
	if op.restarting {
		s.restart(c, reason)
		return
	}
	s.rest(c, reason)
	op.finish(&StartError{ID: c.spec.ID, Reason: reason})
}

// startAll is the first operation. The supervisor is ready when it is done.
func (s *static) startAll() {
	s.run(&operation{starts: slices.Clone(s.children), finish: func(err error) {
		if err == nil {
			actor.ReportReady(s.ctx)
		} else {
			s.shutdown(err)
		}
	}})
}

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
