package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return gives deliveries back without a copy, by basic.nack with requeue: RabbitMQ keeps no delay for that and delivers them again at once, from
// the head of the queue. A quorum queue before 4.3 counts it as an attempt.
//
// Two kinds get a better place. What was refused by another queue, such as a dead-letter queue that is full, goes to the tail of its own by
// a copy, if that is taken, so that it does not stand in the way of others. And a dead letter that is larger than the broker takes from
// publishers, or that the user may not write, is dead-lettered by the broker itself: it is in the dead-letter queue without reason and
// attempts. See queue.Returner.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	moves, failed, err := s.claimReturns(batch)
	if err != nil {
		return err
	}
	if len(moves) > 0 {
		s.publish(ctx, moves)
		if err := s.finishReturns(moves); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// claimReturns gives back what needs no copy, and claims what should get one.
func (s *session) claimReturns(batch []queue.Settlement) (moves []*move, failed []queue.SettleFailure, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, nil, s.settledTooLate()
	}
	applied := 0
	for i := range batch {
		st := &batch[i]
		h := s.prefix.find(tagOf(st))
		switch {
		case h == nil || &h.Delivery != st.Delivery || h.claimed:
			failed = append(failed, queue.SettleFailure{Tag: tagOf(st), Err: queue.ErrSettled})
			continue
		case s.parks(h, st):
			s.prefix.park(h.Tag)
		case h.elsewhere && !errors.Is(h.refused, queue.ErrTooLarge) && !errors.Is(h.refused, ErrRefused):
			moves = append(moves, s.toTail(h, st))
			continue
		default:
			s.prefix.giveBack(h.Tag)
		}
		applied++
	}
	s.wake(applied)
	return moves, failed, nil
}

// parks reports whether the broker can be left to dead-letter h by itself: the queue is known to do so, and what stands in the way of a copy does
// not stand in the broker's.
func (s *session) parks(h *held, st *queue.Settlement) bool {
	return st.Disposition == queue.DeadLetter && !s.queue.broker.cfg.Passive &&
		(errors.Is(h.refused, queue.ErrTooLarge) || errors.Is(h.refused, ErrRefused))
}

// toTail claims h for a copy at the tail of its own queue. The caller holds mu.
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
func (s *session) finishReturns(moves []*move) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return fmt.Errorf("rabbitmq: return: %w", s.settledTooLate())
	}
	for _, m := range moves {
		if m.err == nil {
			s.prefix.ack(m.held.Tag)
		} else {
			s.prefix.giveBack(m.held.Tag)
		}
	}
	s.wake(len(moves))
	return nil
}
