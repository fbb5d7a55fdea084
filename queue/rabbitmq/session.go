package rabbitmq

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one connection with one channel and one consumer at a time. Two goroutines belong to it: one watches for its end, one writes
// acknowledgements, so that Settle never waits for a socket.
type session struct {
	queue      *Queue
	link       *link
	channel    *amqp.Channel
	prefetch   int
	title      string // of consumers
	nonce      string // makes the ids of messages without one unique
	strict     bool   // the queue counts deliveries and says so
	backIsFree bool   // giving back costs no attempt
	goroutines sync.WaitGroup
	turn       chan struct{} // held for Cancel and Resume, which guards the next two: a channel takes one question at a time
	consumer   string        // the tag of the last consumer
	started    int           // how many there were

	lost    chan struct{} // closed when the session is over, though not by Close; why is set then
	why     error
	closed  chan struct{} // closed by Close
	closing sync.Once
	dirty   chan struct{} // something waits to be flushed, as armed says
	full    chan struct{} // so much of it that it should not wait
	flushed chan struct{} // closed when nothing more will be flushed

	sending sync.Mutex // held while settlements are written

	mu        sync.Mutex
	streams   []<-chan amqp.Delivery // of the consumers so far, the oldest first; Receive drops those that ended
	cancelled bool
	held      map[uint64]*held // handed out and not settled
	prefix    prefix
	fresh     int       // settlements since the last flush
	armed     bool      // the flusher knows that something waits
	over      bool      // nothing more is settled
	counted   time.Time // since when frames counts
	frames    int       // written of late
	burst     time.Time // when they were so many, last, that a quorum queue may not have taken them at once
}

// held is a delivery with what its copies need.
type held struct {
	queue.Delivery
	raw     amqp.Delivery
	claimed bool // somebody is settling it
}

// Receive waits for the next delivery. See queue.Session.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		if err := s.ended(); err != nil {
			return nil, err
		}
		stream, err := s.stream()
		if err != nil {
			return nil, err
		}
		select {
		case raw, ok := <-stream:
			if ok {
				return s.hold(raw), nil
			}
			s.endOf(stream)
		case <-s.lost:
		case <-s.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stream returns where deliveries come from now, or ErrCancelled when there is nothing left.
func (s *session) stream() (<-chan amqp.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.streams) > 0 {
		return s.streams[0], nil
	}
	return nil, fmt.Errorf("rabbitmq: queue %q: %w", s.queue.name, queue.ErrCancelled)
}

// endOf drops a stream that has ended: it was cancelled, and everything that was on its way was handed out. If it was not cancelled the
// session is over, and the watcher is about to say why.
func (s *session) endOf(stream <-chan amqp.Delivery) {
	s.mu.Lock()
	ours := s.cancelled || len(s.streams) > 1
	if ours {
		s.streams = s.streams[1:]
	}
	s.mu.Unlock()
	if ours && !s.channel.IsClosed() {
		return
	}
	_ = s.end()
}

// hold notes a delivery, and returns what its user sees of it.
func (s *session) hold(raw amqp.Delivery) *queue.Delivery {
	h := &held{raw: raw}
	used := usedUp(&h.raw, s.strict)
	h.Delivery = queue.Delivery{
		Message: message(&h.raw), Tag: raw.DeliveryTag, Attempt: used + 1, Redelivered: raw.Redelivered || isCopy(raw.Headers),
	}
	if h.ID == "" {
		h.ID = s.queue.broker.host + "-" + s.nonce + "-" + strconv.FormatUint(h.Tag, 10)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[h.Tag] = h
	s.prefix.hold(h.Tag)
	return &h.Delivery
}

// Cancel tells the broker to send no more. See queue.Session.
func (s *session) Cancel(ctx context.Context) error {
	return s.ask(ctx, func() error {
		s.mu.Lock()
		before := s.cancelled
		s.cancelled = true // Before the broker hears of it: the end of the stream must be known to be ours.
		s.mu.Unlock()
		if before {
			return nil
		}
		return s.channel.Cancel(s.consumer, false)
	})
}

// Resume undoes Cancel, with a new consumer. See queue.Session.
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

// ask runs f, which waits for the broker, one at a time and no longer than ctx. An f that is given up ends with the session at the latest.
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
	stream, err := s.channel.Consume(s.queue.name, s.consumer, false, false, false, false, nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = append(s.streams, stream)
	s.cancelled = false
	return nil
}

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
// there is no consumer any more, only time helps.
func (s *session) settleDown(ctx context.Context) {
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
	rest := time.Until(s.burst.Add(digestion)) // negative long after
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
			s.lose(explain(reply))
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
