package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Settle implements [queue.Session]. Acknowledgements that come together are sent together. An ack
// is on the wire within a millisecond of the return. One that has overtaken others waits for them,
// up to ten milliseconds. Close flushes them.
//
// Every other settlement publishes a copy, waits for the broker's confirm, and only then
// acknowledges the original. If the connection breaks in between, the message is there twice. A
// release at once whose copy is not confirmed gives the original back, which costs an attempt.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	return s.settleBy(ctx, batch, s.claimOne, s.finish)
}

// settleBy claims each delivery of batch, publishes the copies, and finishes their originals. It is
// shared by Settle and Return.
func (s *session) settleBy(ctx context.Context, batch []queue.Settlement,
	claimOne func(*queue.Settlement) (*move, error), finish func([]*move) ([]queue.SettleFailure, error),
) error {
	moves, failed, err := s.claim(batch, claimOne)
	if err != nil {
		return err
	}
	if len(moves) > 0 {
		s.publish(ctx, moves)
		more, err := finish(moves)
		if err != nil {
			return err
		}
		failed = append(failed, more...)
	}
	if len(failed) > 0 {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// move is a delivery on its way into another queue, or to the end of its own.
type move struct {
	held        *held
	disposition queue.Disposition
	out         outgoing
	err         error
}

// claim calls one for each delivery of batch, which applies the settlement, or returns a move if a
// copy must be published. claim returns an error if the session is over.
func (s *session) claim(batch []queue.Settlement, one func(*queue.Settlement) (*move, error)) (
	moves []*move, failed []queue.SettleFailure, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, nil, s.settledTooLate()
	}
	applied := 0
	for i := range batch {
		m, err := one(&batch[i])
		switch {
		case err != nil:
			failed = append(failed, queue.SettleFailure{Tag: tagOf(&batch[i]), Err: err})
		case m != nil:
			moves = append(moves, m)
		default:
			applied++
		}
	}
	s.wake(applied)
	return moves, failed, nil
}

// claimOne applies or claims one settlement. It returns a move if a copy must be published.
func (s *session) claimOne(st *queue.Settlement) (*move, error) {
	if st.Delivery == nil {
		return nil, badConfig("Settlement.Delivery", "nil", "what Receive returned")
	}
	h := s.unclaimed(st)
	if h == nil {
		return nil, queue.ErrSettled
	}
	if st.Disposition == queue.Ack {
		s.prefix.ack(h.Tag)
		return nil, nil
	}
	m := &move{held: h, disposition: st.Disposition, out: outgoing{queue: s.queue.name}}
	if st.After > 0 && (st.Disposition == queue.Requeue || st.Disposition == queue.Release) {
		m.out.delay = rung(min(st.After, maxRung))
	}
	switch st.Disposition {
	case queue.Ack: // applied above
	case queue.Release:
		m.out.msg = h.released(st)
	case queue.Requeue:
		m.out.msg = h.again(st)
	case queue.DeadLetter:
		m.out.queue = s.queue.deadName()
		m.out.msg = h.letter(st, s.queue.name)
	default:
		return nil, badConfig("Settlement.Disposition", st.Disposition, "ack, requeue, release or dead letter")
	}
	if m.out.delay > 0 {
		m.out.msg.Headers[headerNotBefore] = dueText(time.Now().Add(st.After))
	}
	h.claimed = true
	return m, nil
}

// unclaimed returns the delivery of st, or nil if it is not held, or being settled already. mu must
// be held.
func (s *session) unclaimed(st *queue.Settlement) *held {
	h := s.prefix.find(tagOf(st))
	if h == nil || &h.Delivery != st.Delivery || h.claimed {
		return nil
	}
	return h
}

// publish publishes the copies, all in flight together, and sets err of each move that was not
// confirmed.
func (s *session) publish(ctx context.Context, moves []*move) {
	out, errs := make([]outgoing, len(moves)), make([]error, len(moves))
	for i, m := range moves {
		out[i] = m.out
	}
	// a copy written now would be published when no call waits for it any more
	if why, blocked := s.queue.broker.Blocked(); blocked {
		err := fmt.Errorf("%w: %s", ErrBlocked, why)
		for i := range errs {
			errs[i] = err
		}
	}
	s.queue.send(ctx, out, errs)
	for i, m := range moves {
		m.err = errs[i]
	}
}

// finish acknowledges the originals of confirmed copies. It gives back the others that can be given
// back, and keeps the rest held. It returns an error if the session is over.
func (s *session) finish(moves []*move) (failed []queue.SettleFailure, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, s.settledTooLate()
	}
	applied := 0
	for _, m := range moves {
		switch {
		case m.err == nil:
			s.prefix.ack(m.held.Tag)
			applied++
		case m.disposition == queue.Release && m.out.delay == 0:
			s.prefix.giveBack(m.held.Tag)
			applied++
		default:
			m.held.claimed = false
			m.held.refused, m.held.elsewhere = m.err, m.out.queue != s.queue.name || m.out.delay > 0
			err := fmt.Errorf("rabbitmq: %v: copy to queue %q: %w", m.disposition, m.out.queue, m.err)
			failed = append(failed, queue.SettleFailure{Tag: m.held.Tag, Err: err})
		}
	}
	s.wake(applied)
	return failed, nil
}

// settledTooLate returns the error of a settlement after the end. The broker delivers again in
// either case, so it is a lost session also after Close. mu must be held.
func (s *session) settledTooLate() error {
	if s.why != nil {
		return s.why
	}
	return fmt.Errorf("rabbitmq: session of queue %q: %w: %w", s.queue.name, queue.ErrSessionLost, queue.ErrClosed)
}

// tagOf returns the tag for a failure.
func tagOf(st *queue.Settlement) uint64 {
	if st.Delivery == nil {
		return 0
	}
	return st.Delivery.Tag
}
