package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Close flushes, gives back and ends. See queue.Session.
func (s *session) Close(ctx context.Context) error {
	first := false
	s.closing.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		first, s.over = true, true
		close(s.closed)
	})
	if !first {
		return nil
	}
	stop := context.AfterFunc(ctx, s.link.cut)
	<-s.flushed
	s.settleDown(ctx)
	_ = s.channel.Close() // Its answer says that the broker has handled what came before. An error says that it is over already.
	s.link.leave(ctx)
	s.goroutines.Wait()
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// settleDown waits until the broker has made good what was settled. A quorum queue takes some thirty settlements of a channel at a time; the channel
// keeps what comes faster, and forgets it when it is closed. The end of a consumer is agreed upon after everything that came before; where
// there is no consumer any more, only time helps. A classic queue takes everything at once.
func (s *session) settleDown(ctx context.Context) {
	if s.classic {
		return
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.lost:
		return
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	cancelled := s.cancelled
	rest := s.pace.rest(time.Now())
	s.mu.Unlock()
	if !cancelled {
		_ = s.channel.Cancel(s.consumer, false) // An error means that the session is over already.
		return
	}
	select {
	case <-time.After(rest):
	case <-s.lost:
	case <-ctx.Done():
	}
}

// watch waits for the end of the session, and ends it altogether: what it holds goes back at once, also when its user never calls Close.
func (s *session) watch(cancels <-chan string, closes <-chan *amqp.Error) {
	defer s.link.cut()
	for {
		select {
		case _, ok := <-cancels:
			if ok {
				s.lose(errConsumerCancelled)
				return
			}
			cancels = nil // The channel is gone; closes says why.
		case reply := <-closes:
			if reply == nil {
				reply = amqp.ErrClosed
			}
			s.lose(reply)
			return
		}
	}
}

// lose ends the session for the reason why, unless its user has ended it before.
func (s *session) lose(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return // Close has ended it.
	}
	s.over = true
	s.why = fmt.Errorf("rabbitmq: queue %q: %w: %w", s.queue.name, queue.ErrSessionLost, why)
	close(s.lost)
}

// ended returns why the session is over, nil while it is not.
func (s *session) ended() error {
	select {
	case <-s.closed:
		return fmt.Errorf("rabbitmq: session of queue %q: %w", s.queue.name, queue.ErrClosed)
	default:
	}
	select {
	case <-s.lost:
		return s.why
	default:
		return nil
	}
}

// end is ended for those who know that it is, and waits until it is known why.
func (s *session) end() error {
	select {
	case <-s.lost:
	case <-s.closed:
	}
	return s.ended()
}
