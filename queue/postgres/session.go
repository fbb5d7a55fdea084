package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gentask/gentask/queue"
)

// session is one lease, and competes for the messages of a queue. The intake goroutine has one
// connection, over which it claims and settles. The keeper has the other, over which it renews the
// lease, takes over the jobs of dead sessions, and waits for notifications. The loss of either, or
// of the lease, ends the session.
type session struct {
	broker   *Broker
	queue    string
	id       int64
	prefetch int
	inOrder  bool // see Queue.InOrder
	intake   *intake
	keeper   *keeper
	upkeep   *upkeep

	wg   sync.WaitGroup // the goroutines
	stop context.CancelFunc
	kick chan struct{} // capacity 1: the intake has something to do
	over chan struct{} // closed when the session is lost, or Close has ended it

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a Receive or a Settle must look again
	end     error         // why the session is over: wraps queue.ErrSessionLost or queue.ErrClosed
	closing bool

	ready     []*holding // claimed, and not handed out
	held      map[uint64]*holding
	lastTag   uint64
	pending   []*request // settlements that no transaction has yet
	claiming  bool       // a claim is on its way
	cancelled bool
	heard     bool // a notification has arrived before: sleeping is safe
	rung      bool // a notification has arrived since the last claim
	hurry     bool // the next claim must be at once, and from the start
}

// holding is one delivery, from its claim until its settlement is applied.
type holding struct {
	queue.Delivery
	id       int64    // of its row
	request  *request // that settles it
	received bool     // it was handed out

	// The result of its settlement, which belongs to the intake while it is underway.
	there   bool  // its row was there
	refused error // why the server has refused it
}

// Receive implements [queue.Session].
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		d, changed, err := s.next(ctx)
		if d != nil || err != nil {
			return d, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// next returns a delivery, or the reason why none will come, or a channel to wait for.
func (s *session) next(ctx context.Context) (*queue.Delivery, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return nil, nil, s.end
	}
	if s.closing {
		return nil, nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if len(s.ready) > 0 {
		h := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		h.received = true
		return &h.Delivery, nil, nil
	}
	if s.cancelled && !s.claiming {
		return nil, nil, queue.ErrCancelled
	}
	return nil, s.changed, nil
}

var errClosed = fmt.Errorf("postgres: session: %w", queue.ErrClosed)

// change wakes all that wait. The caller holds the lock.
func (s *session) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// nudge wakes the intake.
func (s *session) nudge() {
	select {
	case s.kick <- struct{}{}:
	default: // it has a token already
	}
}

// ended returns the reason why the session is over, or nil. The caller holds the lock.
func (s *session) ended() error {
	if s.end == nil && s.closing {
		return errClosed
	}
	return s.end
}

// Cancel implements [queue.Session]. It waits for nothing: a claim on its way still arrives.
func (s *session) Cancel(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return err
	}
	s.cancelled = true
	s.change()
	return nil
}

// Resume implements [queue.Session].
func (s *session) Resume(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return err
	}
	s.cancelled = false
	s.nudge()
	return nil
}

// lose ends the session: the server gives its jobs to others when its lease has ended.
func (s *session) lose(cause error) {
	if s.finish(fmt.Errorf("postgres: session %d of %q: %w: %w", s.id, s.queue, queue.ErrSessionLost, cause)) {
		s.broker.leave(s.id)
	}
}

// finish ends the session once, for the first reason. It reports whether this was the first.
func (s *session) finish(end error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return false
	}
	s.end = end
	s.stop()
	close(s.over)
	s.change()
	return true
}

// Close implements [queue.Session]. It gives back all deliveries that are held, at no attempt, so
// that other sessions can get them at once.
func (s *session) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		s.wg.Wait()
		return nil
	}
	s.closing = true
	s.change()
	s.mu.Unlock()
	s.nudge()
	stop := context.AfterFunc(ctx, func() { s.lose(ctx.Err()) })
	s.wg.Wait()
	cut := !stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.end
	s.end = errClosed
	if cut && !errors.Is(lost, queue.ErrClosed) {
		return fmt.Errorf("postgres: close: connection cut: %w", ctx.Err())
	}
	return nil
}
