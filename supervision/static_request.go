package supervision

import (
	"github.com/gentask/gentask/actor"
)

func (s *static) request(msg any) {
	switch m := msg.(type) {
	case *StartRequest:
		s.start(m)
	case *TerminateRequest:
		s.terminate(m)
	case *RestartRequest:
		s.restartByHand(m)
	case *DeleteRequest:
		s.delete(m)
	case *ChildrenRequest:
		if m.Reply != nil {
			_ = guard(func() { m.Reply(s.list(), nil) })
		}
	case *CountRequest:
		if m.Reply != nil {
			_ = guard(func() { m.Reply(s.count(), nil) })
		}
	}
}

func (s *static) start(m *StartRequest) {
	if err := s.refusal(&m.Spec); err != nil {
		s.answerStart(m, nil, err)
		return
	}
	c := &child{spec: m.Spec}
	s.children = append(s.children, c)
	s.run(&operation{starts: []*child{c}, finish: func(err error) {
		if err != nil {
			s.remove(c)
			s.answerPID(m.Reply, nil, err)
			return
		}
		s.answerPID(m.Reply, c.last, nil)
	}})
}

// refusal says why a child can't be started, or nil.
func (s *static) refusal(spec *ChildSpec) error {
	if err := s.spec.validateChild("ChildSpec", spec); err != nil {
		return err
	}
	switch c := s.find(spec.ID); {
	case c == nil:
		return nil
	case c.state == Idle:
		return about(ErrAlreadyPresent, spec.ID)
	default:
		return about(ErrAlreadyStarted, spec.ID)
	}
}

func (s *static) terminate(m *TerminateRequest) {
	c := s.find(m.ID)
	switch {
	case c == nil:
		s.answer(m.Reply, about(ErrNotFound, m.ID))
	case c.pid != nil:
		s.run(&operation{stops: []*child{c}, finish: func(err error) { s.answer(m.Reply, err) }})
	default:
		if c.state == Restarting {
			s.withdraw(c)
			s.rest(c, actor.ErrShutdown)
		} else if c.state != Idle {
			s.rest(c, nil) // it has ended by itself, which was not dealt with yet
		}
		s.answer(m.Reply, nil)
	}
}

func (s *static) restartByHand(m *RestartRequest) {
	c, err := s.idle(m.ID)
	if err != nil {
		s.answerPID(m.Reply, nil, err)
		return
	}
	s.run(&operation{starts: []*child{c}, finish: func(err error) {
		if err != nil {
			s.answerPID(m.Reply, nil, err)
			return
		}
		s.answerPID(m.Reply, c.last, nil)
	}})
}

func (s *static) delete(m *DeleteRequest) {
	c, err := s.idle(m.ID)
	if err == nil {
		s.remove(c)
	}
	s.answer(m.Reply, err)
}

// idle returns the child with this ID if it neither runs nor is about to.
func (s *static) idle(id string) (*child, error) {
	switch c := s.find(id); {
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
	list := make([]ChildInfo, len(s.children))
	for i, c := range s.children {
		list[i] = c.info()
	}
	return list
}

func (s *static) count() Counts {
	n := Counts{Specs: len(s.children), Active: len(s.byPID)}
	for _, c := range s.children {
		if c.state == Restarting {
			n.Restarting++
		}
	}
	return n
}
