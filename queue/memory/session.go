package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/gentask/gentask/queue"
)

// session is a session of a [Queue].
type session struct {
	q      *Queue
	number int // in the order of opening, from 1
	opts   queue.Options
	wake   chan struct{} // holds a token when a waiting Receive should look again
	done   chan struct{} // closed when the session is over

	// All fields below are guarded by q.mu.

	over      error // queue.ErrSessionLost or queue.ErrClosed; nil while it is open
	held      map[uint64]holding
	lastTag   uint64
	waiting   int
	cancelled bool
	late      int // deliveries that may still come after Cancel
	stalled   bool
	unheard   bool // stalled until Resume
}

// holding is a delivery that is not settled.
type holding struct {
	*queue.Delivery
	copied   bool
	handed   int // number of the hand-out in the queue, from 1
	attempts int // used up, once it is settled
}

// back returns the message as it waits again, for the given attempt.
func (h holding) back(attempt int) item {
	return item{Message: h.Message, attempt: attempt, redelivered: true, sequence: h.Sequence, copied: h.copied}
}

// Receive implements [queue.Session]. The delivery that it returns must not be changed, and neither
// must its headers.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
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

// next returns a delivery, or the reason why none will come. It returns neither if the caller must
// wait.
func (s *session) next(ctx context.Context) (*queue.Delivery, error) {
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

// flows reports whether a message waits and a slot is free for it.
func (s *session) flows() bool {
	return s.q.ready.len() > 0 && len(s.held) < s.opts.Prefetch && !s.stalled && !s.unheard &&
		!s.q.faults.Silent && s.q.faults.Standby == ""
}

// wait releases the lock until an event concerns this session, or ctx ends.
func (s *session) wait(ctx context.Context) {
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

// rouse wakes a waiting Receive if there is something for it.
func (s *session) rouse() {
	if s.waiting == 0 || !s.cancelled && !s.flows() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it has a token already
	}
}

// wake wakes the waiting Receives of all sessions after messages have come to the queue.
func (q *Queue) wake() {
	if q.waiting == 0 {
		return
	}
	for _, s := range q.sessions {
		s.rouse()
	}
}

// Cancel implements [queue.Session]. Deliveries are on their way only as far as [Faults.Late]
// allows.
func (s *session) Cancel(context.Context) error {
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

// Resume implements [queue.Session].
func (s *session) Resume(context.Context) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.over != nil {
		return s.gone()
	}
	s.cancelled, s.late, s.unheard = false, 0, false // no Receive waits, because all return after Cancel
	return nil
}

// Close ends the session: its deliveries return to the head of the queue. It never fails.
func (s *session) Close(context.Context) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.end(Closed)
	s.over = queue.ErrClosed // also if it was lost before
	return nil
}

// lose ends the session as a network fault does.
func (s *session) lose() {
	if s.end(Lost) {
		s.over = queue.ErrSessionLost
		s.q.stats.Lost++
	}
}

// end gives back the deliveries that the session holds, in their order. It reports whether the
// session was open; its caller sets the reason.
func (s *session) end(op Op) bool {
	if s.over != nil {
		return false
	}
	q := s.q
	q.note(Entry{Op: op, Session: s.number})
	q.sessions = slices.DeleteFunc(q.sessions, func(other *session) bool { return other == s })
	for _, tag := range slices.Backward(s.tags()) {
		h := s.release(tag)
		q.stats.Returned++
		q.comeBack(h)
		q.note(Entry{Op: Returned, Session: s.number, Tag: tag, ID: h.ID, Attempt: h.Attempt})
	}
	close(s.done)
	q.wake()
	return true
}

// gone returns the reason why the session is over, with its number.
func (s *session) gone() error {
	return fmt.Errorf("queue/memory: session %d of %q: %w", s.number, s.q.cfg.Name, s.over)
}
