package supervision

import (
	"slices"

	"github.com/gentask/gentask/actor"
)

// shutdown stops all children in reverse order, whatever was going on, and then ends the supervisor with reason.
func (s *static) shutdown(reason error) {
	if s.stopping {
		return
	}
	s.stopping, s.reason = true, reason
	s.publish(Event{Kind: SupervisorStopping, Reason: reason})
	s.flush()
	s.dropWaiting()
	var stops []*child
	op := s.op
	if op != nil && op.current.pid != nil && op.current.state == Stopping {
		stops = append(stops, op.current) // it has been told already
	}
	for _, c := range slices.Backward(s.children) {
		if c.pid != nil && !slices.Contains(stops, c) {
			stops = append(stops, c)
		}
	}
	s.op = nil
	if op != nil {
		op.finish(ErrStopping)
	}
	s.run(&operation{stops: stops, finish: func(error) { s.exit() }})
}

// flush clears the queue: what has ended has ended, and nothing more is asked for.
func (s *static) flush() {
	queue := s.queue
	s.queue = nil
	for _, msg := range queue {
		switch m := msg.(type) {
		case *actor.Exited:
			if c := s.take(m); c != nil {
				s.rest(c, m.Reason)
			}
		case *normalEnd:
			if m.c.state == Running && m.c.pid == nil {
				s.rest(m.c, nil)
			}
		default:
			s.refuse(msg, ErrStopping)
		}
	}
}

// dropWaiting makes sure that nobody comes back.
func (s *static) dropWaiting() {
	for _, c := range slices.Clone(s.children) {
		if c.rare != nil && c.rare.recovery != nil {
			c.rare.recovery.stopTimer()
			c.rare.recovery = nil
		}
		if c.pid == nil && (c.state == Restarting || c.state == Starting) {
			s.rest(c, actor.ErrShutdown)
		}
	}
}

// cleanUp withdraws the timers of a supervisor that has ended, whatever way, and answers who still waits.
func (s *static) cleanUp() {
	s.stopping = true
	for _, c := range s.children {
		c.stopTimer()
		if c.rare != nil && c.rare.recovery != nil {
			c.rare.recovery.stopTimer()
		}
	}
	for _, msg := range s.queue {
		s.refuse(msg, ErrStopping)
	}
	s.queue = nil
	if op := s.op; op != nil {
		s.op = nil
		op.finish(ErrStopping)
	}
}
