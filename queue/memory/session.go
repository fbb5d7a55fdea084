package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/gentask/gentask/queue"
)

// Session is a session of a Queue. Beyond the contract of queue.Session, many goroutines may receive.
type Session struct {
	q      *Queue
	number int
	opts   queue.Options
	wake   chan struct{} // has a token when a waiting Receive should look again
	done   chan struct{} // closed when the session is over

	// All below is guarded by q.mu.

	over      error // queue.ErrSessionLost or queue.ErrClosed; nil while it lives
	held      map[uint64]holding
	lastTag   uint64
	waiting   int
	cancelled bool
	late      int // deliveries that may still come after Cancel
	stalled   bool
}

// holding is a delivery that is not settled.
type holding struct {
	*queue.Delivery
	copied   bool
	handed   int // which hand-out of the queue it is, from 1
	attempts int // used up, once it is settled
}

// back returns the message as it waits again, as the given attempt.
func (h holding) back(attempt int) item {
	return item{Message: h.Message, attempt: attempt, redelivered: true, sequence: h.Sequence, copied: h.copied}
}

// Number says which session of its queue this is, in the order of opening, from 1.
func (s *Session) Number() int { return s.number }

// Receive waits for the next delivery. See queue.Session. Nobody may change what it returns, the headers included.
func (s *Session) Receive(ctx context.Context) (*queue.Delivery, error) {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if slow := q.faults.SlowReceive; slow > 0 {
		q.mu.Unlock()
		err := sleep(ctx, slow, s.done)
		q.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	for {
		if d, err := s.next(ctx); d != nil || err != nil {
			s.rouse() // another Receive of this session may find something too
			return d, err
		}
		s.wait(ctx)
	}
}

// next hands out a delivery, or says why there will be none. It returns neither when the caller has to wait.
func (s *Session) next(ctx context.Context) (*queue.Delivery, error) {
	if s.over != nil {
		return nil, s.gone()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.cancelled && (s.late == 0 || !s.flows()) {
		return nil, queue.ErrCancelled
	}
	if !s.flows() {
		return nil, nil //nolint:nilnil // the third case of the comment above
	}
	if s.q.strikes(&s.q.faults.LoseSession) {
		s.lose()
		return nil, s.gone()
	}
	return s.handOut(s.q.take()), nil
}

// flows says whether a message waits and a slot is free for it.
func (s *Session) flows() bool {
	return s.q.ready.len() > 0 && len(s.held) < s.opts.Prefetch && !s.stalled && !s.q.faults.Silent
}

// wait releases the lock until something has happened that concerns this session, or ctx ends.
func (s *Session) wait(ctx context.Context) {
	s.waiting++
	s.q.waiting++
	s.q.mu.Unlock()
	select {
	case <-s.wake:
	case <-s.done:
	case <-ctx.Done():
	}
	s.q.mu.Lock()
	s.q.waiting--
	s.waiting--
}

// rouse lets a waiting Receive look again, when there is something to see.
func (s *Session) rouse() {
	if s.waiting == 0 || !s.cancelled && !s.flows() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it has been told
	}
}

// wake lets the waiting Receives of all sessions look again, after messages have come to the queue.
func (q *Queue) wake() {
	if q.waiting == 0 {
		return
	}
	for _, s := range q.sessions {
		s.rouse()
	}
}

// Cancel stops the flow. See queue.Session. Deliveries are on their way only when Faults.Late says so.
func (s *Session) Cancel(context.Context) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.over != nil {
		return s.gone()
	}
	if !s.cancelled {
		s.cancelled = true
		s.late = max(0, min(s.q.faults.Late, s.opts.Prefetch-len(s.held), s.q.ready.len()))
		s.rouse()
	}
	return nil
}

// Resume lets it flow again. See queue.Session.
func (s *Session) Resume(context.Context) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.over != nil {
		return s.gone()
	}
	s.cancelled, s.late = false, 0 // and nobody waits: Cancel has sent them away
	return nil
}

// Close ends the session: what it holds returns to the head of the queue. It never fails.
func (s *Session) Close(context.Context) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.end(Closed)
	s.over = queue.ErrClosed // a lost session that is closed is a closed one
	return nil
}

// lose ends the session as a network fault does.
func (s *Session) lose() {
	if s.end(Lost) {
		s.over = queue.ErrSessionLost
		s.q.stats.Lost++
	}
}

// end gives back what the session holds, in the order of delivery. It reports whether the session lived; its caller says why it is over.
func (s *Session) end(op Op) bool {
	if s.over != nil {
		return false
	}
	q := s.q
	q.note(Entry{Op: op, Session: s.number})
	q.sessions = slices.DeleteFunc(q.sessions, func(other *Session) bool { return other == s })
	for _, tag := range slices.Backward(s.tags()) {
		h := s.release(tag)
		q.stats.Returned++
		it := h.back(h.Attempt + 1)
		it.back = h.handed
		q.ready.pushFront(it)
		q.note(Entry{Op: Returned, Session: s.number, Tag: tag, ID: h.ID, Attempt: h.Attempt})
	}
	close(s.done)
	q.wake()
	return true
}

// gone says that the session is over, and why.
func (s *Session) gone() error {
	return fmt.Errorf("queue/memory: session %d of %q: %w", s.number, s.q.cfg.Name, s.over)
}
