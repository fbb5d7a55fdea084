package supervision

import (
	"github.com/gentask/gentask/actor"
)

// shutdown stops all children in reverse order, and then ends it with reason. An operation that
// runs is ended with [ErrStopping].
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
		stops = append(stops, op.current) // it has been stopped already
	}
	for c := range s.children.backward() {
		if c.pid != nil && (len(stops) == 0 || c != stops[0]) {
			stops = append(stops, c)
		}
	}
	s.op = nil
	if op != nil {
		op.finish(ErrStopping)
	}
	s.run(&operation{stops: stops, finish: func(error) { s.exit() }})
}

// flush clears the queue: what has ended has ended, and no request is served.
func (s *static) flush() {
	queue := s.queue
	s.queue = nil
	for _, next := range queue {
		switch m := next.(type) {
		case *end:
			if m.isOpen() {
				m.c.takeEnd()
				s.rest(m.c, m.reason)
			}
		case anyRequest:
			m.refuse(&s.base, ErrStopping)
		}
	}
}

// dropWaiting ends all recoveries.
func (s *static) dropWaiting() {
	for c := range s.children.all() {
		if c.rare != nil && c.rare.recovery != nil {
			c.rare.recovery.stopTimer()
			c.rare.recovery = nil
		}
		if c.pid == nil && (c.state == Restarting || c.state == Starting) {
			s.rest(c, actor.ErrShutdown)
		}
	}
}

// cleanUp stops the timers of a supervisor that has ended, in any way, and answers the requests
// that wait.
func (s *static) cleanUp() {
	s.stopping = true
	for c := range s.children.all() {
		c.stopTimer()
		if c.rare != nil && c.rare.recovery != nil {
			c.rare.recovery.stopTimer()
		}
	}
	for _, next := range s.queue {
		if m, ok := next.(anyRequest); ok {
			m.refuse(&s.base, ErrStopping)
		}
	}
	s.queue = nil
	if op := s.op; op != nil {
		s.op = nil
		op.finish(ErrStopping)
	}
}
