package rabbitmq

import (
	"strconv"
	"time"
)

// RabbitMQ counts a prefetch for each consumer. The deliveries of a cancelled consumer that are not
// settled count for none. So a session that is resumed gives its new consumer only the slots that
// are free, and starts further consumers as old deliveries are settled. Together they never have
// more than the session's prefetch.

// credit is the share of a session's prefetch that its consumers have.
type credit struct {
	given int    // to the present consumers
	upTo  uint64 // the last delivery of earlier consumers
}

// old returns the number of unsettled deliveries of earlier consumers. mu must be held.
func (s *session) old() int {
	if s.credit.upTo == 0 {
		return 0
	}
	return s.prefix.openUpTo(s.credit.upTo)
}

// openUpTo returns the number of open rows up to a tag.
func (p *prefix) openUpTo(tag uint64) (n int) {
	for i := range p.rows {
		if p.rows[i].tag > tag {
			break
		}
		if p.rows[i].state == rowOpen {
			n++
		}
	}
	return n
}

const (
	// firstGrant is the first interval at which slots that old deliveries have left are given to a
	// further consumer. Each interval is twice as long, up to lastGrant, so that there are few
	// consumers.
	firstGrant = 10 * time.Millisecond
	lastGrant  = 500 * time.Millisecond
)

// consume starts the consumers' part of a session, and a goroutine for what they can't have yet.
// turn must be held, or the session be new.
func (s *session) consume() error {
	s.mu.Lock()
	s.credit = credit{upTo: s.prefix.last()}
	s.mu.Unlock()
	if err := s.grant(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = false
	if s.credit.given < s.prefetch && !s.over {
		round := s.round
		s.goroutines.Go(func() { s.replenish(round) })
	}
	return nil
}

// grant starts a consumer with the free slots, if there are any. Tags of deliveries rise from one
// consumer of the channel to the next.
func (s *session) grant() error {
	s.send(nil, everything) // the broker must have the settlements before it counts again
	s.mu.Lock()
	free := s.prefetch - s.credit.given - s.old()
	s.mu.Unlock()
	if free <= 0 {
		return nil
	}
	return s.startConsumer(free, s.queue.broker.cfg.ConsumerPriority)
}

// startConsumer starts a consumer with so many slots. turn must be held, or the session be new.
func (s *session) startConsumer(slots, priority int) error {
	if err := s.channel.Qos(slots, 0, false); err != nil {
		return err
	}
	s.started++
	tag := s.consumerTag(s.started)
	args := s.queue.broker.cfg.consumerArgs(priority)
	stream, err := s.channel.Consume(s.queue.name, tag, false, false, false, false, args)
	if err != nil {
		return noTimeout(err)
	}
	s.consumers = append(s.consumers, tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams, s.fed = append(s.streams, stream), time.Now()
	s.credit.given += slots
	signal(s.arrival) // Receive may wait without a stream
	return nil
}

// consumerTag returns the tag of the nth consumer of the session.
func (s *session) consumerTag(n int) string { return s.title + "/" + strconv.Itoa(n) }

// replenish gives the slots of old deliveries to further consumers, until all are given, or the
// intake is cancelled.
func (s *session) replenish(round int) {
	for wait := firstGrant; ; wait = min(2*wait, lastGrant) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.lost:
		case <-s.closed:
		}
		timer.Stop()
		select {
		case s.turn <- struct{}{}:
		case <-s.lost:
			return
		case <-s.closed:
			return
		}
		again := s.mayGrant(round)
		if again && s.grant() != nil {
			again = false // the channel is gone, and the watcher has the reason
		}
		<-s.turn
		if !again {
			return
		}
	}
}

// mayGrant reports whether slots of this round are not given yet. turn must be held.
func (s *session) mayGrant(round int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over && !s.cancelled && s.round == round && s.credit.given < s.prefetch
}
