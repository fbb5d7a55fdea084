package nats

import (
	"context"

	"github.com/gentask/gentask/queue"
)

// cancel records that the caller has cancelled the intake. The session's mu must be held.
func (in *intake) cancel() {
	in.cancelled = true
	in.release()
}

// release ends a stop of the session's own. The session's mu must be held.
func (in *intake) release() {
	if in.released != nil {
		close(in.released)
		in.released = nil
	}
}

// refresh replaces the intake by a new one, with other requests. Deliveries that are held stay
// held.
func (s *session) refresh(ctx context.Context) {
	in := s.halt(ctx)
	if in == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer in.release()
	if in.cancelled {
		return
	}
	s.renewed = true
	if err := s.beginLocked(); err != nil {
		s.link.fail(err)
	}
}

// halt stops the intake, without an end of the deliveries for the caller, and waits until nothing
// more can arrive. It returns nil if the intake was cancelled before, or the session is over.
func (s *session) halt(ctx context.Context) *intake {
	s.mu.Lock()
	in := s.intake
	if in.stopping {
		s.mu.Unlock()
		return nil
	}
	in.stopping, in.released = true, make(chan struct{})
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	if err := s.withdraw(ctx, in); err != nil {
		s.link.fail(err)
		return nil
	}
	select {
	case <-in.ended:
		return in
	case <-s.link.lost:
	case <-ctx.Done():
		s.link.fail(errSilent)
	}
	return nil
}

// final reports whether no intake follows that one without the caller.
func (s *session) final(in *intake) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intake == in && in.stopping && in.released == nil
}

// between waits until it is known what follows an intake that the session itself has stopped. It
// returns a delivery that was left.
func (s *session) between(ctx context.Context, in *intake) (*queue.Delivery, error) {
	s.mu.Lock()
	released := in.released
	s.mu.Unlock()
	if released == nil {
		return nil, nil
	}
	select {
	case d := <-s.ready:
		return d, nil
	case <-released:
	case <-s.closed:
	case <-s.link.lost:
	case <-ctx.Done():
	}
	return nil, nil
}
