package nats

import (
	"context"
	"errors"
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
//
// A cancelled intake keeps its interest in the inbox. A server that has chosen a message for a
// request, and finds no interest when it sends it, loses that delivery: the message comes back when
// its lease ends, and the delivery has been counted. Messages that come late are given back as
// copies, which costs no attempt.
type intake struct {
	sub      *natsgo.Subscription
	wanted   int           // requested and not yet arrived
	heard    time.Time     // the last sign of life, or request
	fed      time.Time     // the last delivery
	doubt    error         // requests nothing until watch has looked at the queue, for this reason
	stopping bool          // requests nothing more
	ebbing   bool          // hands out nothing more
	quiet    chan struct{} // closed when nothing more is handed out
	drained  bool          // the interest is withdrawn
	ended    chan struct{} // closed when it is, and all has arrived

	// Of an intake that stops: cancelled by the caller, or, until released is closed, by the
	// session itself, which goes on.
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
	in := &intake{quiet: make(chan struct{}), ended: make(chan struct{}), heard: time.Now()}
	sub, err := s.link.nc.Subscribe(s.link.nc.NewInbox(), func(m *natsgo.Msg) { s.arrive(in, m) })
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // the prefetch is the limit
		return err
	}
	sub.SetClosedHandler(func(string) {
		s.ebb(in)
		close(in.ended)
	})
	in.sub, s.intake = sub, in
	s.refill()
	return nil
}

// fresh is how old the last delivery of an intake may be that Resume continues. Another one may be
// the reason for the Resume, because it has gone silent, and is replaced.
const fresh = time.Second

// goOn continues a cancelled intake with its requests, if they are known to be answered, and
// reports whether it does.
func (s *session) goOn(in *intake) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.intake != in || in.drained || in.doubt != nil || time.Since(in.fed) > fresh {
		return false
	}
	in.stopping, in.ebbing, in.cancelled, in.quiet = false, false, false, make(chan struct{})
	in.heard, s.renewed = time.Now(), false
	s.refill()
	return true
}

// ebb makes an intake hand out nothing more.
func (s *session) ebb(in *intake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !in.ebbing {
		in.ebbing = true
		close(in.quiet)
	}
}

// stopIntake requests nothing more, and waits until all messages that the server had sent have
// arrived.
func (s *session) stopIntake(ctx context.Context) error {
	s.mu.Lock()
	in := s.intake
	first := !in.stopping
	in.stopping = true
	in.cancel()
	quiet := in.quiet
	s.mu.Unlock()
	if first {
		flushed := flush(ctx, s.link.nc)
		if err := errors.Join(s.link.nc.Barrier(func() { s.ebb(in) }), flushed); err != nil {
			return s.orEnded(err)
		}
	}
	select {
	case <-quiet:
		return nil
	case <-s.link.lost:
		return lost(s.link.why())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end withdraws the interest of a cancelled intake, and waits until all messages on their way have
// arrived. It returns early when the connection is over.
func (s *session) end(ctx context.Context, in *intake) {
	s.mu.Lock()
	drained := in.drained
	s.mu.Unlock()
	if !drained && s.withdraw(ctx, in) != nil {
		return
	}
	select {
	case <-in.ended:
	case <-s.link.lost:
	case <-ctx.Done():
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
	s.mu.Lock()
	in.drained = true
	s.mu.Unlock()
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
	in.fed = in.heard
	s.renewed = false
	if s.repeated(m.Reply, &from) {
		return
	}
	h := &holding{reply: m.Reply, renewed: in.heard, origin: from}
	h.subject, h.from = s.subjectOf(in, m), m.Header.Get(headerSubject)
	h.Message = decode(m.Header, m.Data, "", from.stored)
	if m.Subject != in.sub.Subject { // to the user of an account that imports the stream
		h.Properties = reached(h.Properties, m.Subject, s.queue)
	}
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

// hand hands out a delivery. It puts it off if it is too early, and gives it back if the intake is
// cancelled. The session's mu must be held.
func (s *session) hand(h *holding, early time.Duration) {
	if early > 0 || s.intake.ebbing && !s.closing {
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
