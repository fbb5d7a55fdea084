package rabbitmq

import (
	"math"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A quorum queue that is told to cancel a consumer takes back what is on its way to it, and counts
// that as an attempt. So a session's consumers are cancelled when nothing is on its way:
//
//  1. No settlement is sent, so no slot becomes free. If deliveries fill all slots, that is the
//     moment.
//  2. Otherwise a last consumer with few slots and a higher priority gets what is published while
//     the others are cancelled. It is cancelled when its own slots are full.
//  3. If that takes too long, messages are rare, and hardly ever one is on its way.

const (
	// calm is the time without a delivery after which the queue is taken to be empty.
	calm = 20 * time.Millisecond

	// maxLull is the longest wait for calm, and then for the slots of the last consumer.
	maxLull = 100 * time.Millisecond

	// idle is the time without a delivery after which a session is cancelled without a wait.
	idle = time.Second
)

// lastConsumer is a consumer that gets what is on its way when the others are cancelled.
type lastConsumer struct {
	tag string
	got atomic.Int64 // deliveries
}

// count counts a delivery, if it is one of this consumer.
func (c *lastConsumer) count(raw *amqp.Delivery) {
	if c != nil && raw.ConsumerTag == c.tag {
		c.got.Add(1)
	}
}

// stopConsumers cancels all consumers. turn must be held. A queue with a single active consumer
// would not give the last one anything while another is there.
func (s *session) stopConsumers() error {
	others := len(s.consumers)
	if s.classic || others == 0 || s.isIdle() {
		return s.cancelConsumers(others) // a classic queue hands out everything before it confirms that
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if slots := s.lull(); slots > 0 && !s.queue.broker.cfg.SingleActiveConsumer {
		last := &lastConsumer{tag: s.consumerTag(s.started + 1)}
		s.last.Store(last)
		defer s.last.Store(nil)
		priority := min(s.queue.broker.cfg.ConsumerPriority, math.MaxInt32-1) + 1
		if err := s.startConsumer(slots, priority); err != nil {
			return err
		}
		if err := s.cancelConsumers(others); err != nil {
			return err
		}
		s.wait(func() bool { return last.got.Load() >= int64(slots) })
	}
	return s.cancelConsumers(len(s.consumers))
}

// cancelConsumers cancels the first n consumers.
func (s *session) cancelConsumers(n int) error {
	for range n {
		if err := s.channel.Cancel(s.consumers[0], false); err != nil {
			return err
		}
		s.consumers = s.consumers[1:]
	}
	return nil
}

// isIdle reports whether for a while no delivery has come, and no consumer was started.
func (s *session) isIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.fed) > idle
}

// lull waits until deliveries fill all slots, and returns 0; or until none has come for calm, or
// maxLull is over, and returns how many may come within the next calm, at most the free slots.
func (s *session) lull() (slots int) {
	begin := time.Now()
	first, free := s.intake()
	newest, since := first, begin
	s.wait(func() bool {
		last, left := s.intake()
		if free = left; last != newest {
			newest, since = last, time.Now()
		}
		return free <= 0 || time.Since(since) >= calm
	})
	flow := float64(newest-first) * calm.Seconds() / time.Since(begin).Seconds()
	return max(0, min(1+int(flow), free))
}

// wait waits until done returns true, for maxLull at most, and not beyond the session's end.
func (s *session) wait(done func() bool) {
	tick := time.NewTicker(calm / 10)
	defer tick.Stop()
	for end := time.Now().Add(maxLull); !done() && time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-s.lost:
			return
		case <-s.closed:
			return
		}
	}
}

// intake returns the tag of the last delivery, and how many more the broker may send until
// something is settled.
func (s *session) intake() (newest uint64, free int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.inbox)
	return s.prefix.last() + uint64(n), s.prefetch - n - s.prefix.open - s.prefix.pending()
}
