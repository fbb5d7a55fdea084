package supervision

import "sync"

// surveyed is a list of answers from many goroutines for one.
type surveyed struct {
	mu     sync.Mutex
	list   []func()
	closed bool
}

// add does nothing after close.
func (s *surveyed) add(answer func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.list = append(s.list, answer)
	}
}

func (s *surveyed) take() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// close drops answers that come too late.
func (s *surveyed) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.list = true, nil
}
