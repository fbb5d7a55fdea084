package task

import (
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
)

// share is the tasks that one partition supervises, from their admission until they have returned. It is not inside the partition, so that a
// task which waits in the mailbox of a partition that crashes is not lost.
type share struct {
	sys   *actor.System
	part  *actor.PID
	count *counters
	epoch time.Time // from which the starts of the tasks count

	mu     sync.Mutex
	closed bool
	live   int // those without an outcome that the partition knows of
	first  *run
}

// admit takes r in, unless the supervisor ends.
func (s *share) admit(r *run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.live++
	r.next = s.first
	if s.first != nil {
		s.first.prev = r
	}
	s.first = r
	return true
}

// retire counts r among the live no more. An abandoned one stays until it returns.
func (s *share) retire(r *run, abandoned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	if !abandoned {
		s.remove(r)
	}
}

// forget takes out an abandoned task that has returned.
func (s *share) forget(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(r)
}

// remove is called with mu held.
func (s *share) remove(r *run) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		s.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// close admits no more.
func (s *share) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *share) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == 0
}

// runs returns all, the abandoned included.
func (s *share) runs() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*run
	for r := s.first; r != nil; r = r.next {
		all = append(all, r)
	}
	return all
}

// send posts a message to the partition.
func (s *share) send(msg any) { actor.Send(s.sys, s.part, msg) }
