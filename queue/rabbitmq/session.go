package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one connection with one channel and one consumer at a time. It has two goroutines: one
// watches for its end, and one writes acknowledgements, so that Settle never waits for a socket.
type session struct {
	queue      *Queue
	link       *link
	channel    *amqp.Channel
	prefetch   int
	title      string // of consumers
	nonce      string // makes the ids of messages without one unique
	classic    bool   // the queue is known to be a classic one
	tally      tally  // how the queue counts deliveries
	scale      scale  // of its priorities
	found      found  // how others have declared the queue; only in passive mode
	goroutines sync.WaitGroup
	turn       chan struct{} // held for Cancel and Resume, guards the next two: a channel takes one request at a time
	consumers  []string      // the tags of the present consumers
	started    int           // number of consumers so far

	lost    chan struct{} // closed when the session is over, though not by Close; why is set then
	why     error
	closed  chan struct{} // closed by Close
	closing sync.Once
	dirty   chan struct{} // a settlement waits to be flushed: see armed
	full    chan struct{} // so many of them wait that they should be flushed at once
	flushed chan struct{} // closed when nothing more will be flushed

	sending sync.Mutex // held while settlements are written

	arrived []*held                      // since the last look at the inbox; used only by the connection's reader
	arrival chan struct{}                // the inbox was filled
	last    atomic.Pointer[lastConsumer] // while one is there
	next    []*held                      // taken from the inbox; used only by the goroutine in Receive
	taken   int                          // number of next that were handed out

	mu        sync.Mutex
	streams   []<-chan amqp.Delivery // of the consumers so far, the oldest first; Receive removes those that ended
	cancelled bool
	round     int // number of cancels so far
	credit    credit
	inbox     []*held
	fed       time.Time // when the inbox was filled last, or a consumer was started
	prefix    prefix    // the deliveries that are held
	fresh     int       // settlements since the last flush
	armed     bool      // the flusher was woken
	over      bool      // nothing more is settled
	pace      pace
}

// Receive implements [queue.Session].
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		if err := s.ended(); err != nil {
			return nil, err
		}
		if h := s.take(); h != nil {
			return &h.Delivery, nil
		}
		stream, err := s.stream()
		if err != nil {
			return nil, err
		}
		select {
		case <-s.arrival:
		case <-stream: // It has ended: deliveries come by way of the tap.
			if h := s.take(); h != nil {
				return &h.Delivery, nil // before the end
			}
			s.endOfStream()
		case <-s.lost:
		case <-s.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stream returns the oldest stream, or ErrCancelled if none is left. It returns nil while
// deliveries from before a cancel take all slots.
func (s *session) stream() (<-chan amqp.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.streams) > 0 {
		return s.streams[0], nil
	}
	if !s.cancelled {
		return nil, nil
	}
	return nil, fmt.Errorf("rabbitmq: queue %q: %w", s.queue.name, queue.ErrCancelled)
}

// endOfStream removes a stream that has ended, because it was cancelled, and all its deliveries
// were handed out. If it was not cancelled, the session is over, and the watcher will set the
// reason.
func (s *session) endOfStream() {
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
