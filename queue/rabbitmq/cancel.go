package rabbitmq

import (
	"context"
)

// Cancel implements [queue.Session].
func (s *session) Cancel(ctx context.Context) error {
	return s.ask(ctx, func() error {
		s.mu.Lock()
		before := s.cancelled
		s.cancelled = true // Set before the broker is asked, so that the end of the stream is recognized.
		s.round++
		s.mu.Unlock()
		if before {
			return nil
		}
		defer signal(s.arrival) // Receive may wait without a stream
		return s.stopConsumers()
	})
}

// Resume implements [queue.Session]. It starts a new consumer, and more of them as deliveries from
// before Cancel are settled.
func (s *session) Resume(ctx context.Context) error {
	return s.ask(ctx, func() error {
		s.mu.Lock()
		cancelled := s.cancelled
		s.mu.Unlock()
		if !cancelled {
			return nil
		}
		return s.consume()
	})
}

// ask runs f, which waits for the broker. It runs one f at a time, and returns when ctx ends. An
// abandoned f ends at the latest with the session.
func (s *session) ask(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-s.lost:
	case <-s.closed:
	case <-ctx.Done():
		return ctx.Err()
	}
	answer := make(chan error, 1)
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return s.ended()
	}
	s.goroutines.Go(func() {
		defer func() { <-s.turn }()
		answer <- f()
	})
	s.mu.Unlock()
	select {
	case err := <-answer:
		if s.channel.IsClosed() {
			return s.end()
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
