package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Close implements [queue.Session]. It flushes settlements, gives the other deliveries back, and
// closes the connection.
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
	// Its answer means that the broker has handled everything before. After an error the channel is
	// over already.
	_ = s.channel.Close()
	s.link.leave(ctx)
	s.goroutines.Wait()
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// settleDown waits until the broker has applied the settlements. A quorum queue takes some thirty
// settlements of a channel at a time. The channel keeps those that come faster, and forgets them
// when it is closed. The cancellation of a consumer is confirmed after everything that came before;
// without a consumer, only a wait helps. A classic queue takes all settlements at once.
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
	if !cancelled && len(s.consumers) > 0 {
		_ = s.channel.Cancel(s.consumers[0], false) // An error means that the session is over already.
		return
	}
	select {
	case <-time.After(rest):
	case <-s.lost:
	case <-ctx.Done():
	}
}

// watch waits for the end of the session, and closes its connection, so that its deliveries go back
// at once, even if Close is never called.
func (s *session) watch(cancels <-chan string, closes <-chan *amqp.Error) {
	defer s.link.cut()
	for {
		select {
		case _, ok := <-cancels:
			if ok {
				s.lose(s.whyCancelled())
				return
			}
			cancels = nil // The channel is gone; closes has the reason.
		case reply := <-closes:
			if reply == nil {
				reply = amqp.ErrClosed
			}
			s.lose(reply)
			return
		}
	}
}

// afterthought is the time for which a queue that is being deleted may still be there.
const afterthought = time.Second

// whyCancelled returns the reason for which the broker has cancelled the consumer. It does not
// tell, but from 4.3 on it also does so when a delivery of a quorum queue was held for too long,
// and then the queue stays.
func (s *session) whyCancelled() error {
	if s.classic || !s.link.server.hasConsumerTimeouts() {
		return errConsumerCancelled
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	stop := context.AfterFunc(ctx, s.link.cut)
	defer stop()
	ch, err := s.link.Channel()
	for deadline := time.Now().Add(afterthought); err == nil && time.Now().Before(deadline); {
		select {
		case <-time.After(afterthought / 20):
			_, err = ch.QueueDeclarePassive(s.queue.name, true, false, false, false, nil)
		case <-s.closed:
			return errConsumerCancelled // the reason is not used
		}
	}
	if err != nil {
		return errConsumerCancelled
	}
	return errConsumerTimeout
}

// lose ends the session with the reason why, unless Close has ended it before.
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

// ended returns the reason why the session is over, or nil.
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

// end returns the reason why the session is over. It must be called when that is certain, and waits
// for the reason.
func (s *session) end() error {
	select {
	case <-s.lost:
	case <-s.closed:
	}
	return s.ended()
}
