package nats

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// Times of a request for messages. The server drops it after expiry, so that the request of a dead
// client takes no messages for long. While a request waits, the server sends heartbeats. The
// session ends if none arrives for the time of silence.
const (
	expiry    = 10 * time.Second
	heartbeat = 1500 * time.Millisecond
	silence   = 4 * time.Second
)

// intake receives messages from Open or Resume until Cancel, by one inbox and the requests that the
// server answers there. It is guarded by the session's mu.
type intake struct {
	sub      *natsgo.Subscription
	wanted   int           // requested and not yet arrived
	heard    time.Time     // the last sign of life, or request
	doubt    error         // requests nothing until watch has looked at the queue, for this reason
	stopping bool          // requests nothing more
	quiet    chan struct{} // closed when nothing more can arrive

	// Of an intake that stops: cancelled by the caller, or, until released is closed, by the session
	// itself, which goes on.
	cancelled bool
	released  chan struct{}
}

// begin starts a new intake.
func (s *session) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewed = false
	return s.beginLocked()
}

// beginLocked is begin with the session's mu held.
func (s *session) beginLocked() error {
	if s.closing || s.intake != nil && !s.intake.stopping {
		return nil
	}
	in := &intake{quiet: make(chan struct{}), heard: time.Now()}
	sub, err := s.link.nc.Subscribe(s.link.nc.NewInbox(), func(m *natsgo.Msg) { s.arrive(in, m) })
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // the prefetch is the limit
		return err
	}
	sub.SetClosedHandler(func(string) { close(in.quiet) })
	in.sub, s.intake = sub, in
	s.refill()
	return nil
}

// stopIntake withdraws the interest, so that the server drops the requests, and waits until all
// messages on their way have arrived.
func (s *session) stopIntake(ctx context.Context) error {
	s.mu.Lock()
	in := s.intake
	first := !in.stopping
	in.stopping = true
	in.cancel()
	s.mu.Unlock()
	if first {
		if err := s.withdraw(ctx, in); err != nil {
			return s.orEnded(err)
		}
	}
	select {
	case <-in.quiet:
		return nil
	case <-s.link.lost:
		return lost(s.link.why())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withdraw withdraws the interest in an intake's inbox. A request for the consumer's info makes the
// server drop the requests for that inbox at once. Its answer is not awaited.
//
// Otherwise the requests stay until a redelivery is due. A server before 2.10.16 that then finds no
// others loses the redelivery to them until its lease ends. Before 2.10.14 it also delivers the
// last new message a second time. The flush before it lets the server serve a request that was just
// made.
func (s *session) withdraw(ctx context.Context, in *intake) error {
	nc := s.link.nc
	_ = flush(ctx, nc) // without it more may be lost
	if err := in.sub.Drain(); err != nil {
		return err
	}
	return nc.PublishRequest(s.link.api+"CONSUMER.INFO."+s.queue+"."+consumerName, nc.NewInbox(), nil)
}

// arrive handles a message of the server to the inbox.
func (s *session) arrive(in *intake, m *natsgo.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.heard = time.Now()
	if strings.HasPrefix(m.Reply, ackPrefix) {
		s.admit(in, m)
	} else {
		s.status(in, m)
	}
	s.refill()
}

// admit accepts a delivery.
func (s *session) admit(in *intake, m *natsgo.Msg) {
	from, ok := originOf(m.Reply)
	if !ok {
		s.link.fail(fmt.Errorf("nats: message with reply %q, which is not the server's", m.Reply))
		return
	}
	in.wanted--
	s.renewed = false
	if s.repeated(m.Reply, &from) {
		return
	}
	h := &holding{reply: m.Reply, renewed: in.heard, origin: from}
	h.subject, h.from = s.subjectOf(in, m), m.Header.Get(headerSubject)
	h.Message = decode(m.Header, m.Data, "", from.stored)
	h.Properties = reached(h.Properties, m.Subject, s.queue)
	if h.ID == "" {
		h.ID = from.dedup()
	}
	early := h.count(from.delivered)
	if early > 0 && (from.delivered == 1 || s.closing) {
		s.bounce(h, early)
		return
	}
	if s.closing && stripped(m) { // its copy would have no body
		s.bounce(h, 0)
		return
	}
	if s.taken == s.prefetch {
		s.link.fail(fmt.Errorf("nats: the server sends more than was asked for, %d are held", s.taken))
		return
	}
	s.taken++
	s.lastTag++
	h.Tag = s.lastTag
	s.held[h.Tag] = h
	if stripped(m) {
		s.restore(h, early)
		return
	}
	s.hand(h, early)
}

// hand hands out a delivery, or puts it off if it is too early. The session's mu must be held.
func (s *session) hand(h *holding, early time.Duration) {
	if early > 0 {
		s.putOff(h, early)
		return
	}
	s.ready <- &h.Delivery
}

// status handles the server's status of a request: a heartbeat, its end with the number of messages
// that will not come, or an error. An error leaves open how many messages will not come, so the
// intake must be renewed.
func (s *session) status(in *intake, m *natsgo.Msg) {
	if m.Header.Get("Status") == "100" {
		s.renewed = false
		return
	}
	missing, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil {
		s.doubt(in, fmt.Errorf("nats: server ends the requests: %s %s", m.Header.Get("Status"),
			m.Header.Get("Description")))
		return
	}
	s.renewed = false
	in.wanted = max(in.wanted-missing, 0)
}

// refill requests as many messages as there are free slots. It does so at once if no request is
// under way. Otherwise it does so when a quarter of the prefetch is free, so that requests are few
// and never run dry. The session's mu must be held.
func (s *session) refill() {
	in := s.intake
	free := s.prefetch - s.taken - in.wanted
	if in.stopping || in.doubt != nil || free <= 0 || in.wanted > 0 && free < (s.prefetch+3)/4 {
		return
	}
	if in.wanted == 0 {
		in.heard = time.Now() // the time of silence starts here
	}
	in.wanted += free
	for ; free > 0; free -= s.terms.batch {
		if err := s.request(in, min(free, s.terms.batch)); err != nil {
			s.link.fail(err)
			return
		}
	}
}

// request requests messages. The server demands that two heartbeats fit into a request's time.
func (s *session) request(in *intake, batch int) error {
	request := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, batch, s.terms.expiry.Nanoseconds(),
		min(heartbeat, s.terms.expiry/2).Nanoseconds())
	return s.link.nc.PublishRequest(s.link.api+"CONSUMER.MSG.NEXT."+s.queue+"."+consumerName, in.sub.Subject, request)
}

// listen renews the intake of a session that waits for messages and receives nothing, not even
// heartbeats, because its requests are lost. An idle queue is not silent.
func (s *session) listen(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.intake
	if !in.stopping && in.wanted > 0 && now.Sub(in.heard) > silence {
		s.doubt(in, errSilent)
	}
}

var _ queue.Session = (*session)(nil)
