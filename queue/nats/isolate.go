package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

var _ queue.Isolator = (*session)(nil)

// Isolate implements [queue.Isolator]. Suspects go to the stream "<queue>-suspects", with a
// consumer of its own, which are made when the first session asks for them.
func (s *session) Isolate(ctx context.Context, batch []queue.Settlement) error {
	if err := s.havePlace(ctx); err != nil {
		failed := make([]queue.SettleFailure, len(batch))
		for i := range batch {
			failed[i] = queue.SettleFailure{Tag: tagOf(batch[i]), Err: err}
		}
		return &queue.SettleError{Failed: failed}
	}
	return s.settleBy(ctx, batch, s.claimSuspect)
}

// claimSuspect claims a delivery for its copy at the place for suspects. The session's mu must be
// held.
func (s *session) claimSuspect(ctx context.Context, one queue.Settlement) (claim, error) {
	h := s.held[tagOf(one)]
	if h == nil || &h.Delivery != one.Delivery || h.copying {
		return claim{}, queue.ErrSettled
	}
	if err := ctx.Err(); err != nil {
		return claim{}, err
	}
	h.copying = true
	one.Disposition = queue.Requeue // if it is refused, the delivery is kept
	return claim{holding: h, settlement: one, suspect: true}, nil
}

// suspectOf returns the copy for the place. It has a name of its own, so that it is stored once.
func (s *session) suspectOf(c claim, m queue.Message) *natsgo.Msg {
	m.Headers[queue.HeaderAttempts] = strconv.Itoa(c.attempts() - 1)
	m.Headers[queue.HeaderSuspect] = m.Headers[queue.HeaderAttempts]
	copied := encode(s.queue+suspectsSuffix, "suspect:"+c.origin.dedup(), m)
	if c.subject != s.queue {
		copied.Header[headerSubject] = []string{c.subject}
	}
	return copied
}

// havePlace makes or checks the place, once for each session. From then on a requeue is a copy,
// because a -NAK leaves the same trace as the death of a process.
func (s *session) havePlace(ctx context.Context) error {
	s.mu.Lock()
	placed := s.placed
	s.mu.Unlock()
	if placed {
		return nil
	}
	lease, err := s.makePlace(ctx)
	if err != nil {
		return err
	}
	if lease < s.lease {
		return fmt.Errorf("nats: %w: ack_wait of consumer %q of stream %q is %v, must be %v or more",
			queue.ErrConfig, consumerName, s.queue+suspectsSuffix, lease, s.lease)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed = true
	return nil
}

// makeSuspects creates or checks the place for suspects, and returns its lease. It uses the
// connection for publishing, because a session ends when a right is missing.
func (q *Queue) makeSuspects(ctx context.Context) (lease time.Duration, err error) {
	l, err := q.broker.publisher(ctx)
	if err != nil {
		return 0, err
	}
	name := q.name + suspectsSuffix
	if _, err := q.broker.makeStream(ctx, l, name); err != nil {
		return 0, err
	}
	consumer, err := q.broker.makeConsumer(ctx, l, name)
	if err != nil {
		return 0, err
	}
	return consumer.Config.duration("ack_wait"), nil
}

// Isolated implements [queue.Isolator]. The server does not tell a suspect that is held from one
// that was lost with its process. If nothing has happened at the place for a lease, it returns 1,
// and less often each time that this was in vain.
func (s *session) Isolated(ctx context.Context) (int, error) {
	if err := s.havePlace(ctx); err != nil {
		return 0, err
	}
	have, err := s.lookAtPlace(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		s.placed = false // the next call makes it again
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("nats: suspects of %q: %w", s.queue, err)
	}
	switch {
	case have.Paused:
		return 0, nil
	case have.Pending > 0 || have.AckPending == 0:
		return have.Pending, nil
	case s.stillness.over(have, s.lease, time.Now()):
		return 1, nil
	}
	return 0, nil
}

// stillness is how long the place has been as it is.
type stillness struct {
	held  int    // suspects, or lost
	seq   uint64 // of the last delivery
	since time.Time
	wait  time.Duration
}

// mostStill bounds the wait between two attempts to get a suspect that may be held.
const mostStill = time.Minute

// over reports whether an attempt should be made to get a suspect, which may be held.
func (w *stillness) over(have *info, lease time.Duration, now time.Time) bool {
	if have.AckPending != w.held || have.Delivered.Seq != w.seq {
		*w = stillness{held: have.AckPending, seq: have.Delivered.Seq, since: now, wait: lease}
		return false
	}
	if now.Sub(w.since) < w.wait {
		return false
	}
	w.since, w.wait = now, min(2*w.wait, max(mostStill, lease))
	return true
}

// lookAtSuspects asks for the state of the place.
func (q *Queue) lookAtSuspects(ctx context.Context) (*info, error) {
	l, err := q.broker.publisher(ctx)
	if err != nil {
		return nil, err
	}
	have, err := l.consumerInfo(ctx, q.name+suspectsSuffix)
	if err != nil {
		return nil, l.answer(ctx, err)
	}
	return have, nil
}

// ReceiveIsolated implements [queue.Isolator].
func (s *session) ReceiveIsolated(ctx context.Context) (*queue.Delivery, error) {
	h, err := s.pull(ctx)
	if h == nil || err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		s.bounce(h, 0)
		return nil, s.ended()
	}
	s.lastTag++
	h.Tag = s.lastTag
	s.held[h.Tag] = h
	return &h.Delivery, nil
}

// pull takes a suspect from the place; nil if none is there.
func (s *session) pull(ctx context.Context) (*holding, error) {
	nc := s.link.nc
	inbox, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, s.orEnded(err)
	}
	defer func() { _ = inbox.Unsubscribe() }() // fails only when the connection is over
	subject := s.link.api + "CONSUMER.MSG.NEXT." + s.queue + suspectsSuffix + "." + consumerName
	if err := nc.PublishRequest(subject, inbox.Subject, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
		return nil, s.orEnded(err)
	}
	m, err := inbox.NextMsgWithContext(ctx)
	switch {
	case errors.Is(err, natsgo.ErrNoResponders):
		return nil, nil //nolint:nilnil // the place is gone
	case err != nil:
		return nil, s.orEnded(fmt.Errorf("nats: suspects of %q: %w", s.queue, s.link.answer(ctx, err)))
	case !strings.HasPrefix(m.Reply, ackPrefix):
		return nil, nil //nolint:nilnil // the server's status: none waits
	}
	from, ok := originOf(m.Reply)
	if !ok {
		return nil, fmt.Errorf("nats: message with reply %q, which is not the server's", m.Reply)
	}
	return s.holdSuspect(m, from), nil
}

// holdSuspect returns the delivery of a suspect. A requeue of it is a copy for the queue.
func (s *session) holdSuspect(m *natsgo.Msg, from origin) *holding {
	h := &holding{reply: m.Reply, renewed: time.Now(), origin: from, subject: s.queue}
	if own := m.Header.Get(headerSubject); own != "" {
		s.mu.Lock()
		if matchesAny(s.terms.subjects, own) {
			h.subject = own
		}
		s.mu.Unlock()
	}
	h.Message = decode(m.Header, m.Data, from.dedup(), from.stored)
	h.count(from.delivered)
	h.Isolated, h.miscounted = true, true
	return h
}
