package watermill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// session is a number of subscriptions, each with a goroutine that receives its messages. Their
// context ends with the session.
type session struct {
	queue    *Queue
	ctx      context.Context
	cancel   context.CancelFunc
	pumps    sync.WaitGroup
	waits    sync.WaitGroup // messages that are held until they are due
	slots    chan struct{}  // one element for each delivery that is held
	ready    chan *held     // capacity is the prefetch, so that sending never blocks
	over     chan struct{}  // closed when the session ends; why is set then
	finished chan struct{}  // closed when Close is done

	mu      sync.Mutex
	why     error
	paused  chan struct{} // closed by Cancel
	resumed chan struct{} // closed by the Resume after it, which replaces both
	held    map[uint64]*held
	lastTag uint64
}

// held is one delivery with the message that settles it.
type held struct {
	queue.Delivery
	msg     *message.Message
	claimed bool
	forget  func() bool // stops watching the message's context
}

func newSession(q *Queue, prefetch int) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{
		queue: q, ctx: ctx, cancel: cancel, held: map[uint64]*held{},
		slots: make(chan struct{}, prefetch), ready: make(chan *held, prefetch),
		over: make(chan struct{}), finished: make(chan struct{}), paused: make(chan struct{}),
		resumed: make(chan struct{}),
	}
}

// subscribe starts n subscriptions.
func (s *session) subscribe(n int) error {
	if err := s.queue.initialize(); err != nil {
		return err
	}
	for range n {
		msgs, err := s.queue.subscriber.Subscribe(s.ctx, s.queue.topic)
		if err != nil {
			return err
		}
		s.pumps.Go(func() { s.pump(msgs) })
	}
	return nil
}

// pump receives the messages of one subscription: at most one message more than there are slots.
// Messages after the session's end go back.
func (s *session) pump(msgs <-chan *message.Message) {
	for s.take(msgs) {
	}
	<-s.ctx.Done()
	for msg := range msgs { // some subscribers wait until it is received
		msg.Nack()
	}
}

// take receives one message, and reports whether there may be more. It takes the slot after the
// message, because a subscription that waits until its message is settled must not keep a slot from
// the others.
func (s *session) take(msgs <-chan *message.Message) bool {
	paused, resumed := s.gates()
	select {
	case <-s.over:
		return false
	case <-paused:
		return s.untilResumed(resumed)
	case msg, ok := <-msgs:
		if !ok {
			s.fail(fmt.Errorf("watermill: %w: the subscriber has ended its subscription to %q", queue.ErrSessionLost,
				s.queue.topic))
			return false
		}
		s.admit(msg, paused)
		return true
	}
}

func (s *session) untilResumed(resumed <-chan struct{}) bool {
	select {
	case <-resumed:
		return true
	case <-s.over:
		return false
	}
}

// admit waits for a slot; a message that gets none goes back.
func (s *session) admit(msg *message.Message, paused <-chan struct{}) {
	select {
	case s.slots <- struct{}{}:
		s.hold(msg)
	case <-paused:
		msg.Nack()
	case <-s.over:
		msg.Nack()
	}
}

func (s *session) gates() (paused, resumed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused, s.resumed
}

// hold adds a delivery, to be handed out; after a Cancel it goes back.
func (s *session) hold(msg *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil || isClosed(s.paused) {
		<-s.slots
		msg.Nack()
		return
	}
	s.lastTag++
	h := &held{msg: msg}
	h.Message = decode(msg)
	used, copied := queue.UsedUp(h.Headers)
	h.Tag, h.Attempt, h.Redelivered = s.lastTag, used+1, copied
	if s.queue.cfg.Redelivered != nil && s.queue.cfg.Redelivered(msg) {
		h.Redelivered = true
	}
	s.held[h.Tag] = h
	h.forget = context.AfterFunc(msg.Context(), func() { s.vanished(h) })
	s.ready <- h
}

// vanished ends the session when the subscriber has given up a message that is held, because its
// connection is gone.
func (s *session) vanished(h *held) {
	s.mu.Lock()
	_, unsettled := s.held[h.Tag]
	s.mu.Unlock()
	if unsettled {
		s.fail(fmt.Errorf("watermill: %w: the subscriber has given up message %q", queue.ErrSessionLost, h.ID))
	}
}

// Receive implements queue.Session.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		if err := s.ended(); err != nil {
			return nil, err
		}
		paused, _ := s.gates()
		select {
		case h := <-s.ready:
			return &h.Delivery, nil
		case <-paused:
			select {
			case h := <-s.ready:
				return &h.Delivery, nil
			default:
				return nil, fmt.Errorf("watermill: topic %q: %w", s.queue.topic, queue.ErrCancelled)
			}
		case <-s.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ended returns the reason why the session is over, or nil.
func (s *session) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Cancel implements [queue.Session]. The subscriptions stay, because they would end the deliveries
// that are held. Each may keep one message, which is not delivered until Resume or Close.
func (s *session) Cancel(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil && !isClosed(s.paused) {
		close(s.paused)
	}
	return s.why
}

// Resume implements queue.Session.
func (s *session) Resume(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil && isClosed(s.paused) {
		close(s.resumed)
		s.paused, s.resumed = make(chan struct{}), make(chan struct{})
	}
	return s.why
}

// fail ends the session with the first of its reasons, and gives its deliveries back.
func (s *session) fail(why error) {
	if left, first := s.end(why); first {
		for _, h := range left {
			h.msg.Nack()
		}
		s.finish()
	}
}

// finish ends the subscriptions; finished is closed when the subscriber has ended them.
func (s *session) finish() {
	s.cancel()
	go func() {
		s.pumps.Wait()
		s.waits.Wait()
		close(s.finished)
	}()
}

// end marks the session as over, and returns the deliveries that it held.
func (s *session) end(why error) (left []*held, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return nil, false
	}
	s.why = why
	close(s.over)
	for _, h := range s.held {
		h.forget()
		left = append(left, h)
	}
	clear(s.held)
	return left, true
}

// Close implements [queue.Session]. The deliveries that are held go back without costing an
// attempt, including those that wait until they are due.
func (s *session) Close(ctx context.Context) error {
	left, first := s.end(fmt.Errorf("watermill: session: %w", queue.ErrClosed))
	if first {
		for _, h := range left {
			h.msg.Nack()
		}
		heard(ctx, left, hearing/10)
		s.finish()
	}
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("watermill: close: the subscriber has not ended its subscriptions: %w", ctx.Err())
	}
}

// hearing is the time for the subscriber to end the context after an Ack.
const hearing = time.Second

// heard waits until the subscriber has handled each message, by ending its context. A subscriber
// that never does so costs only the limit.
func heard(ctx context.Context, all []*held, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, h := range all {
		select {
		case <-h.msg.Context().Done():
		case <-ctx.Done():
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
