package rabbitmq

import (
	"context"
	"strconv"
)

// Cancel implements [queue.Session].
func (s *session) Cancel(ctx context.Context) error {
	return s.ask(ctx, func() error {
		s.mu.Lock()
		before := s.cancelled
		s.cancelled = true // Set before the broker is asked, so that the end of the stream is recognized.
		s.mu.Unlock()
		if before {
			return nil
		}
		return s.channel.Cancel(s.consumer, false)
	})
}

// Resume implements [queue.Session]. It starts a new consumer.
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

// consume starts a consumer. Tags of deliveries rise from one consumer of the channel to the next.
func (s *session) consume() error {
	s.started++
	s.consumer = s.title + "/" + strconv.Itoa(s.started)
	stream, err := s.channel.Consume(s.queue.name, s.consumer, false, false, false, false,
		s.queue.broker.cfg.consumerArgs())
	if err != nil {
		return noTimeout(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = append(s.streams, stream)
	s.cancelled = false
	return nil
}
