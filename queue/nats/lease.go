package nats

import "time"

// renewals is how often a lease is renewed within its length, so that one or two late renewals do
// no harm.
const renewals = 4

var inProgress = []byte("+WPI")

// keep renews leases and checks for silence until the connection is over, and then stops the watch.
func (s *session) keep(stopWatch func()) {
	defer stopWatch()
	tick := time.NewTicker(min(s.lease/renewals, heartbeat/2) / 2)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.renew(now)
			s.listen(now)
		case <-s.link.lost:
			return
		}
	}
}

// renew renews the leases that are due. It writes under mu, because a renewal that follows a
// settlement would undo its delay.
func (s *session) renew(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if now.Sub(h.renewed) < s.lease/renewals {
			continue
		}
		if err := s.link.nc.Publish(h.reply, inProgress); err != nil {
			return // the connection is over
		}
		h.renewed = now
	}
}
