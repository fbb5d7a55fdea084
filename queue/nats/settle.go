package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Answers of the JetStream protocol.
var (
	answerAck  = []byte("+ACK")
	answerNak  = []byte("-NAK")
	answerTerm = []byte("+TERM")
)

// claim is a settlement that no other call can apply any more, and the delivery as this session
// holds it.
type claim struct {
	*holding
	settlement queue.Settlement
	copied     bool // a copy replaces the original
	suspect    bool // and goes to the place for suspects
}

// Settle implements queue.Session.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	return s.settleBy(ctx, batch, s.claimOne)
}

// settleBy claims each delivery of batch with one, publishes the copies, and answers.
func (s *session) settleBy(ctx context.Context, batch []queue.Settlement,
	one func(context.Context, queue.Settlement) (claim, error),
) error {
	claims, failures, err := s.claim(ctx, batch, one)
	if err != nil {
		return err
	}
	defer s.settles.Done()
	claims, uncopied := s.copies(ctx, claims)
	ctx, cancel := rest(ctx)
	defer cancel()
	if err := s.answer(ctx, claims); err != nil {
		return err
	}
	failures = append(failures, uncopied...)
	if len(failures) == 0 {
		return nil
	}
	return &queue.SettleError{Failed: failures}
}

// claim claims the settlements that can be applied, and returns the failures of the others. It adds
// to settles, unless it returns an error.
func (s *session) claim(ctx context.Context, batch []queue.Settlement,
	claimOne func(context.Context, queue.Settlement) (claim, error),
) ([]claim, []queue.SettleFailure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return nil, nil, err
	}
	s.settles.Add(1)
	claims := make([]claim, 0, len(batch))
	var failures []queue.SettleFailure
	for _, one := range batch {
		c, err := claimOne(ctx, one)
		if err != nil {
			failures = append(failures, queue.SettleFailure{Tag: tagOf(one), Err: err})
			continue
		}
		claims = append(claims, c)
	}
	return claims, failures, nil
}

// claimOne claims one delivery. A delivery that needs a copy stays held until that is confirmed, so
// that its lease is renewed.
func (s *session) claimOne(ctx context.Context, one queue.Settlement) (claim, error) {
	h := s.held[tagOf(one)]
	if h == nil || &h.Delivery != one.Delivery || h.copying {
		return claim{}, queue.ErrSettled
	}
	if err := ctx.Err(); err != nil {
		return claim{}, err
	}
	switch one.Disposition {
	case queue.Ack:
		delete(s.held, h.Tag)
		s.repeats.settled(&h.origin, s.prefetch)
	case queue.Requeue:
		if h.copying = h.miscounted || one.Uncounted > 0 || s.placed || h.marked(); !h.copying {
			delete(s.held, h.Tag)
		}
	case queue.Release, queue.DeadLetter:
		h.copying = true
	default:
		return claim{}, fmt.Errorf("nats: %w: Settlement.Disposition is %v, must be one of the dispositions",
			queue.ErrConfig, one.Disposition)
	}
	return claim{holding: h, settlement: one}, nil
}

// marked reports whether the message is a suspect. The next attempt is none, and needs a copy.
func (h *holding) marked() bool {
	_, marked := h.Headers[queue.HeaderSuspect]
	return marked
}

func tagOf(one queue.Settlement) uint64 {
	if one.Delivery == nil {
		return 0 // tags start at 1
	}
	return one.Delivery.Tag
}

// answer sends the answers to the deliveries, frees their slots, and returns when the server has
// read them. The session ends if the network holds the answers back, because their result would
// remain unknown.
func (s *session) answer(ctx context.Context, claims []claim) error {
	if len(claims) == 0 {
		return s.link.lostIfOver()
	}
	err := s.send(ctx, claims)
	s.free(slots(claims))
	if err != nil {
		s.link.fail(fmt.Errorf("nats: settlement not taken: %w", err))
		return lost(s.link.why())
	}
	return nil
}

// restTime is the most time for the answers if the context has ended while copies were on their
// way. The deliveries whose copies are confirmed must be answered.
const restTime = 2 * time.Second

// rest returns ctx, or if it has ended a short one.
func rest(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), restTime)
}

func (s *session) send(ctx context.Context, claims []claim) error {
	if s.doubleAck {
		return s.sendAndHear(ctx, claims)
	}
	if err := s.write(ctx, claims, ""); err != nil {
		return err
	}
	return flush(ctx, s.link.nc)
}

// sendAndHear also waits for a reply of the server to each answer. It only counts the replies: all
// arrive, or the session is over.
func (s *session) sendAndHear(ctx context.Context, claims []claim) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	words, err := s.link.nc.SubscribeSync(s.link.nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = words.Unsubscribe() }() // fails only when the connection is over
	if err := s.write(ctx, claims, words.Subject); err != nil {
		return err
	}
	for range claims {
		if _, err := words.NextMsgWithContext(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) write(ctx context.Context, claims []claim, inbox string) error {
	return s.link.write(ctx, func() error {
		for _, c := range claims {
			if err := s.link.say(c.reply, inbox, c.answer()); err != nil {
				return err
			}
		}
		return nil
	})
}

// answer returns the answer of the protocol. The original of a copy is removed; TERM instead of ACK
// reports a dead letter to the server's operators.
func (c claim) answer() []byte {
	switch c.settlement.Disposition {
	case queue.Ack, queue.Release:
		return answerAck
	case queue.DeadLetter:
		return answerTerm
	case queue.Requeue:
		if c.copied {
			return answerAck
		}
		if c.settlement.After > 0 {
			return nakIn(c.settlement.After)
		}
		return answerNak
	}
	return answerNak // claimOne refuses other dispositions
}

// nakIn returns a -NAK with the delay d.
func nakIn(d time.Duration) []byte {
	return fmt.Appendf(nil, `%s {"delay": %d}`, answerNak, min(d, longestDelay).Nanoseconds())
}

// longestDelay is the longest delay that is sent to the server. Its clock counts nanoseconds, and
// ends in the year 2262: messages that are due later would be delivered at once.
const longestDelay = 100 * 365 * 24 * time.Hour

// slots returns how many of the deliveries have a slot. Suspects come when none is in use.
func slots(claims []claim) (n int) {
	for i := range claims {
		if !claims[i].Isolated {
			n++
		}
	}
	return n
}

// free releases n slots. It must be called after the answers were written, so that the server never
// sees more unanswered deliveries than the prefetch.
func (s *session) free(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= n
	s.refill()
}
