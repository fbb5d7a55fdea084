package rabbitmq

import "time"

const (
	// calm is the time without a delivery after which none is taken to be on its way.
	calm = 20 * time.Millisecond

	// maxLull is the longest time for which a cancel is put off.
	maxLull = 200 * time.Millisecond
)

// lull waits until no delivery is on its way to this session. When a consumer is cancelled, a
// quorum queue takes back what is on its way to it, and counts that as an attempt.
//
// No settlement is sent meanwhile, so no slot becomes free. Either the deliveries fill all slots,
// or the queue has no more, and they stop. maxLull is for a queue whose messages come one by one.
func (s *session) lull() {
	if s.classic {
		return // it hands out everything before it confirms the cancel
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	tick := time.NewTicker(calm / 4)
	defer tick.Stop()
	last, since := s.intake(), time.Now()
	for begin := since; !last.full && time.Since(since) < calm && time.Since(begin) < maxLull; {
		select {
		case <-tick.C:
		case <-s.lost:
			return
		case <-s.closed:
			return
		}
		if now := s.intake(); now != last {
			last, since = now, time.Now()
		}
	}
}

// intake is what a session has received.
type intake struct {
	newest uint64 // the tag of the last delivery
	full   bool   // the broker will send no more until something is settled
}

func (s *session) intake() intake {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.inbox)
	unsettled := n + s.prefix.open + s.prefix.pending()
	return intake{newest: s.prefix.last() + uint64(n), full: unsettled >= s.prefetch}
}
