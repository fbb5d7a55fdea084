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
