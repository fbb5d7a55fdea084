package supervision

import (
	"slices"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// operation is a sequence of stops and starts, one at a time.
type operation struct {
	stops   []*child // these first, in this order
	starts  []*child // then these
	current *child   // the one that the operation waits for

	// restarting means that the stopped children will be started again, and that a failed start is
	// a failure of its child.
	restarting bool

	// finish is called once: with nil when the operation is done, with a *StartError, or with
	// ErrStopping if the supervisor stops first.
	finish func(error)
}

func (s *static) run(op *operation) {
	for _, c := range op.stops {
		c.doomed = true
	}
	s.op = op
	s.step()
}

// step continues the operation, as far as it goes without waiting.
func (s *static) step() {
	op := s.op
	for len(op.stops) > 0 {
		c := op.stops[0]
		op.stops = op.stops[1:]
		if c.pid == nil {
			s.endedBefore(c)
			continue
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

// endedBefore handles a child that the operation had to stop, and that has ended by itself.
func (s *static) endedBefore(c *child) {
	c.doomed = false
	if e := c.takeEnd(); e != nil {
		s.retire(c, e.reason)
	}
}

// gone is called when an incarnation has ended. Only the operation that waits for that end may
// continue at once.
func (s *static) gone(c *child, reason error) {
	c.remember(reason)
	switch {
	case c.doomed:
		s.stopped(c, reason)
	case s.op == nil:
		s.settle(c, reason)
	case c == s.op.current:
		s.startEnded(c, reason)
	default:
		s.later(c, reason)
	}
}

// stopped continues after a child that the operation has stopped, or had to stop.
func (s *static) stopped(c *child, reason error) {
	c.doomed = false
	s.retire(c, reason)
	if c == s.op.current {
		s.step()
	}
}

// retire leaves a child that has been stopped alone, unless the operation starts it again.
func (s *static) retire(c *child, reason error) {
	if s.op.restarting && c.spec.Restart != Temporary {
		s.set(c, Restarting)
	} else {
		s.rest(c, reason)
	}
}

// rest leaves alone a child that is not started again. A temporary one is forgotten.
func (s *static) rest(c *child, reason error) {
	s.set(c, Idle)
	s.final(c, reason)
	if c.spec.Restart == Temporary {
		s.children.remove(c)
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
	s.set(c, Running)
	s.tell(ChildStarted, c, c.last, nil)
}

func (s *static) spawnFailed(m *spawnFailed) {
	if m.c.state == Starting { // the supervisor may have begun to stop
		m.c.remember(m.err)
		s.startEnded(m.c, m.err)
	}
}

// startEnded continues after a child that has ended before it was ready. A normal end is no
// failure: the child had nothing more to do. The supervisor decides about the child after the
// operation that started it.
func (s *static) startEnded(c *child, reason error) {
	switch {
	case reason == nil:
		s.started(c)
		s.later(c, nil)
		s.step()
	case declines(c, reason):
		s.decline(c, reason)
		s.step()
	default:
		s.startFailed(c, reason)
	}
}

func (s *static) startFailed(c *child, reason error) {
	op := s.op
	s.op = nil
	s.tell(ChildStartFailed, c, nil, reason)
	if op.restarting {
		s.restart(c, reason, true)
		return
	}
	s.rest(c, reason)
	op.finish(&StartError{ID: c.spec.ID, Reason: reason})
}

// startAll is the first operation. The supervisor is ready when it is done.
func (s *static) startAll() {
	s.run(&operation{starts: slices.Collect(s.children.all()), finish: func(err error) {
		if err == nil {
			process.ReportReady(s.ctx)
		} else {
			s.shutdown(err)
		}
	}})
}
