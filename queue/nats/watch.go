package nats

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// watchEvery is the interval at which a session checks its stream and its consumer. The server
	// does not report changes to them, and the only effect of some is that messages are lost, run
	// twice, or do not come.
	watchEvery = 3 * time.Second

	// watchTime bounds the check. Other means find out whether the server is alive.
	watchTime = time.Second

	// doubtTime bounds how long a check after a refusal is repeated: a leader may be elected.
	doubtTime = 4 * time.Second
)

// watch ends the session when the queue has changed. The next session uses it as it is then, or
// fails with the difference. Changes that a session honours do not end it. elsewhere reports
// whether the next session may connect to another server.
func (s *session) watch(ctx context.Context, elsewhere bool) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	duck := s.link.duck
	for {
		select {
		case <-tick.C:
			s.check(s.look(ctx))
		case <-s.doubts:
			s.resolve(ctx)
		case <-duck:
			if duck = nil; elsewhere {
				s.keeper.Go(func() { s.leave(ctx) }) // while watch itself is one of them
			}
		case <-ctx.Done():
			return
		}
	}
}

// check ends the session if the queue must not be used, or has another lease. It adopts the other
// terms.
func (s *session) check(t terms, err error) {
	var changed *MismatchError
	switch {
	case errors.As(err, &changed):
		s.link.fail(err)
	case err != nil: // nothing is known
	case t.lease != s.lease:
		s.link.fail(fmt.Errorf("nats: the lease of queue %q was changed from %v to %v", s.queue, s.lease, t.lease))
	default:
		s.mu.Lock()
		s.terms = t
		s.mu.Unlock()
	}
}

// doubt makes watch look at the queue, and renew the intake, because the server has refused a
// request, or is silent. The session's mu must be held.
func (s *session) doubt(in *intake, reason error) {
	if in.doubt != nil {
		return
	}
	if in.doubt = reason; in.stopping {
		return // Resume begins another one
	}
	select {
	case s.doubts <- struct{}{}:
	default: // watch was told
	}
}

// resolve ends the session if the queue is gone or must not be used, or if nothing has come since
// the last time. Otherwise it renews the intake, by the present terms. Jobs run on.
func (s *session) resolve(ctx context.Context) {
	s.mu.Lock()
	in, reason, before := s.intake, s.intake.doubt, s.renewed
	s.mu.Unlock()
	if reason == nil {
		return // the intake was replaced meanwhile
	}
	t, err := s.lookAgain(ctx)
	s.check(t, err)
	switch {
	case s.link.over():
	case err == nil && t.crowded != nil:
		s.link.fail(t.crowded)
	case before, errors.Is(err, errGone):
		s.link.fail(reason)
	default:
		if now, _ := s.current(); now == in { // and was not replaced meanwhile
			s.refresh(ctx)
		}
	}
}

// lookAgain looks at the queue until there is an answer.
func (s *session) lookAgain(ctx context.Context) (terms, error) {
	var changed *MismatchError
	for start := time.Now(); ; {
		t, err := s.look(ctx)
		if err == nil || errors.Is(err, errGone) || errors.As(err, &changed) || time.Since(start) > doubtTime {
			return t, err
		}
		select {
		case <-time.After(askEvery):
		case <-s.link.lost:
			return t, err
		case <-ctx.Done():
			return t, err
		}
	}
}
