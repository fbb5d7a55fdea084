package supervision

import (
	"github.com/gentask/gentask/actor"
)

func (s *static) request(msg anyRequest) {
	switch m := msg.(type) {
	case *startRequest:
		s.start(m)
	case *terminateRequest:
		s.terminate(m)
	case *restartRequest:
		s.restartByHand(m)
	case *deleteRequest:
		s.delete(m)
	case *childRequest:
		s.child(m)
	case *childrenRequest:
		answer(m.Reply, s.list(), nil)
	case *countRequest:
		answer(m.Reply, s.count(), nil)
	}
}

func (s *static) start(m *startRequest) {
	if err := s.refusal(&m.Spec); err != nil {
		s.answerStart(m, nil, err)
		return
	}
	c := &child{spec: m.Spec}
	s.children.add(c)
	s.run(&operation{starts: []*child{c}, finish: func(err error) {
		if _, failed := err.(*StartError); failed { //nolint:errorlint // of this operation, never wrapped
			s.children.remove(c)
		}
		s.startedByHand(c, m.Reply, err)
	}})
}

// startedByHand answers the request for a start that is done.
func (s *static) startedByHand(c *child, reply func(*actor.PID, error), err error) {
	switch {
	case err != nil:
		answer(reply, nil, err)
	case c.state == Idle:
		answer(reply, nil, about(ErrIgnore, c.spec.ID))
	default:
		answer(reply, c.last, nil)
	}
}

// refusal returns why a child can't be started, or nil.
func (s *static) refusal(spec *ChildSpec) error {
	if err := s.spec.validateChild("ChildSpec", spec); err != nil {
		return err
	}
	switch c := s.children.find(spec.ID); {
	case c == nil:
		return nil
	case c.state == Idle:
		return about(ErrAlreadyPresent, spec.ID)
	default:
		return &AlreadyStartedError{ID: spec.ID, PID: c.pid}
	}
}

func (s *static) terminate(m *terminateRequest) {
	c := s.children.find(m.ID)
	switch {
	case c == nil:
		answerError(m.Reply, about(ErrNotFound, m.ID))
		return
	case c.pid != nil:
		s.run(&operation{stops: []*child{c}, finish: func(err error) { answerError(m.Reply, err) }})
		return
	case c.state == Restarting:
		s.withdraw(c)
		s.rest(c, actor.ErrShutdown)
	default:
		if e := c.takeEnd(); e != nil { // it has ended by itself
			s.rest(c, e.reason)
		}
	}
	answerError(m.Reply, nil)
}

func (s *static) restartByHand(m *restartRequest) {
	c, err := s.idle(m.ID)
	if err != nil {
		answer(m.Reply, nil, err)
		return
	}
	s.run(&operation{starts: []*child{c}, finish: func(err error) { s.startedByHand(c, m.Reply, err) }})
}

func (s *static) delete(m *deleteRequest) {
	c, err := s.idle(m.ID)
	if err == nil {
		s.children.remove(c)
	}
	answerError(m.Reply, err)
}

func (s *static) child(m *childRequest) {
	if c := s.children.find(m.ID); c != nil {
		answer(m.Reply, c.info(), nil)
		return
	}
	answer(m.Reply, ChildInfo{}, about(ErrNotFound, m.ID))
}

// idle returns the child with this ID if it neither runs nor will be started.
func (s *static) idle(id string) (*child, error) {
	switch c := s.children.find(id); {
	case c == nil:
		return nil, about(ErrNotFound, id)
	case c.state == Restarting:
		return nil, about(ErrRestarting, id)
	case c.state != Idle:
		return nil, about(ErrRunning, id)
	default:
		return c, nil
	}
}

func (s *static) list() []ChildInfo {
	list := make([]ChildInfo, 0, s.children.len())
	for c := range s.children.all() {
		list = append(list, c.info())
	}
	return list
}

func (s *static) count() Counts {
	n := Counts{Specs: s.children.len(), Active: len(s.byPID)}
	for c := range s.children.all() {
		if c.state == Restarting {
			n.Restarting++
		}
		if c.nested {
			n.Supervisors++
		}
	}
	n.Workers = n.Specs - n.Supervisors
	return n
}
