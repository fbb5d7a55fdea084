package task

import (
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// share holds the tasks that one partition supervises, from their admission until they have
// returned. A task enters it on the goroutine that starts it, and leaves it on its own. So its
// partition has nothing to do with a task that ends in time, and a partition that crashes loses
// none.
type share struct {
	sys   *actor.System
	part  *actor.PID
	name  string // the first part of the names of the tasks
	count *counters
	epoch time.Time // zero of the clock and of the starts of tasks

	mu     sync.Mutex
	closed bool
	live   int // those without an outcome
	first  *run
	clock  clock
}

// admit takes r in and starts its time, unless the supervisor ends.
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
	if r.timeout > 0 {
		s.limit(r, r.started, r.timeout)
	}
	return true
}

// limit must be called with mu held.
func (s *share) limit(r *run, now, d time.Duration) {
	s.clock.set(r, now, d)
	r.limit.Store(int64(after(now, d)))
}

// extend replaces the time that r has, unless it has an outcome.
func (s *share) extend(r *run, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.retired {
		s.limit(r, s.now(), d)
	}
}

// arm makes r due after d, unless it has an outcome.
func (s *share) arm(r *run, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.retired {
		return false
	}
	s.clock.set(r, s.now(), d)
	return true
}

// due returns the runs whose time is up.
func (s *share) due() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.take(s.now())
}

// now returns the time since the epoch.
func (s *share) now() time.Duration { return time.Since(s.epoch) }

// retire removes r, which has an outcome, from the live tasks. An abandoned one stays in the share
// until it returns. It reports whether the end of the supervisor waited for this.
func (s *share) retire(r *run, abandoned bool) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	s.clock.unset(r)
	r.retired = true
	if !abandoned {
		s.remove(r)
	}
	return s.closed && s.live == 0
}

// forget removes an abandoned task that has returned.
func (s *share) forget(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(r)
}

// remove must be called with mu held.
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

// close admits no further task.
func (s *share) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// end is called when the partition ends.
func (s *share) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.clock.stop()
}

func (s *share) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == 0
}

// runs returns all tasks, the abandoned included.
func (s *share) runs() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*run
	for r := s.first; r != nil; r = r.next {
		all = append(all, r)
	}
	return all
}

// send posts a message to the partition. If the partition is gone the message may be lost, because
// the tasks have outcomes.
func (s *share) send(msg any) { process.Notify(s.sys, s.part, msg) }
