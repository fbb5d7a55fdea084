package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return implements [queue.Returner]. It gives deliveries back without a copy, by basic.nack with
// requeue. RabbitMQ keeps no delay for that and delivers them again at once, from the head of the
// queue. A quorum queue counts it as an attempt.
//
// There are two exceptions. If another queue refused the delivery, such as a dead-letter queue that
// is full, it goes to the tail of its own queue, and does not block others. That takes a copy,
// which must be confirmed. If a dead letter exceeds the broker's size limit for publishers, or the
// user may not write it, the broker itself dead-letters it. Its reason is then the broker's.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	return s.settleBy(ctx, batch, s.claimReturn, s.finishReturns)
}

// claimReturn gives a delivery back, or returns a move if it needs a copy. mu must be held.
func (s *session) claimReturn(st *queue.Settlement) (*move, error) {
	h := s.unclaimed(st)
	switch {
	case h == nil:
		return nil, queue.ErrSettled
	case s.parks(h, st):
		s.prefix.park(h.Tag)
	case h.elsewhere && !errors.Is(h.refused, queue.ErrTooLarge) && !errors.Is(h.refused, ErrRefused):
		return s.toTail(h, st), nil
	default:
		s.prefix.giveBack(h.Tag)
	}
	return nil, nil //nolint:nilnil // no copy to publish
}

// parks reports whether the broker itself can dead-letter h: the queue is declared to do so, and
// the reason against a copy does not apply to the broker.
func (s *session) parks(h *held, st *queue.Settlement) bool {
	return st.Disposition == queue.DeadLetter && !s.queue.broker.cfg.Passive &&
		(errors.Is(h.refused, queue.ErrTooLarge) || errors.Is(h.refused, ErrRefused))
}

// toTail claims h for a copy at the tail of its own queue. mu must be held.
func (s *session) toTail(h *held, st *queue.Settlement) *move {
	h.claimed = true
	m := &move{held: h, disposition: st.Disposition, out: outgoing{queue: s.queue.name}}
	if st.Disposition == queue.Requeue {
		m.out.msg = h.again(st)
	} else {
		m.out.msg = h.copyOf(st.Attempts()-1, h.room-ours)
	}
	return m
}

// finishReturns acknowledges the originals of confirmed copies, and gives the others back.
func (s *session) finishReturns(moves []*move) ([]queue.SettleFailure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, fmt.Errorf("rabbitmq: return: %w", s.settledTooLate())
	}
	for _, m := range moves {
		if m.err == nil {
			s.prefix.ack(m.held.Tag)
		} else {
			s.prefix.giveBack(m.held.Tag)
		}
	}
	s.wake(len(moves))
	return nil, nil
}
