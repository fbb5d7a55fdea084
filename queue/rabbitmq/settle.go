package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Settle ends deliveries. An ack, and a release where the broker does not count it, is on the wire within a millisecond of the return, for
// acknowledgements that come together are sent together; one that has overtaken others waits for them, up to ten. Close flushes them.
// Everything else publishes a copy, waits for the broker's confirm, and only then acknowledges the original: when the connection breaks in
// between, the message is there twice. A release at once whose copy is not confirmed gives the original back, which costs an attempt. See
// queue.Session.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	moves, failed, err := s.claim(batch)
	if err != nil {
		return err
	}
	if len(moves) > 0 {
		s.publish(ctx, moves)
		more, err := s.finish(moves)
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

// claim applies what needs no copy, and claims what does. Its error says that the session is over.
func (s *session) claim(batch []queue.Settlement) (moves []*move, failed []queue.SettleFailure, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, nil, s.settledTooLate()
	}
	applied := 0
	for i := range batch {
		m, err := s.claimOne(&batch[i])
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

// claimOne applies or claims one settlement: the returned move is what is left to do.
func (s *session) claimOne(st *queue.Settlement) (*move, error) {
	if st.Delivery == nil {
		return nil, badConfig("Settlement.Delivery", "nil", "what Receive returned")
	}
	h := s.prefix.find(st.Delivery.Tag)
	if h == nil || &h.Delivery != st.Delivery || h.claimed {
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
	case queue.Ack: // see above
	case queue.Release:
		if st.After <= 0 && s.backIsFree {
			s.prefix.giveBack(h.Tag)
			return nil, nil
		}
		m.out.msg = h.released(st)
	case queue.Requeue:
		m.out.msg = h.again(st)
	case queue.DeadLetter:
		m.out.queue = s.queue.deadName()
		m.out.msg = h.letter(st, s.queue.name)
	default:
		return nil, badConfig("Settlement.Disposition", st.Disposition, "ack, requeue, release or dead letter")
	}
	if st.After > maxRung && m.out.delay > 0 {
		m.out.msg.Headers[headerNotBefore] = time.Now().Add(st.After).UTC().Format(time.RFC3339Nano)
	}
	h.claimed = true
	return m, nil
}

// publish publishes the copies, all in flight together. A move whose err is set was not confirmed.
func (s *session) publish(ctx context.Context, moves []*move) {
	out, errs := make([]outgoing, len(moves)), make([]error, len(moves))
	for i, m := range moves {
		out[i] = m.out
	}
	if why, blocked := s.queue.broker.Blocked(); blocked { // what is written now would be published when nobody waits for it any more
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

// finish acknowledges the originals of confirmed copies; the others are still held, but those that can be given back. Its error says that the
// session is over.
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

// settledTooLate is the error of a settlement after the end. The broker delivers again in either case, so it is a lost session too when the user
// has closed it. The caller holds mu.
func (s *session) settledTooLate() error {
	if s.why != nil {
		return s.why
	}
	return fmt.Errorf("rabbitmq: session of queue %q: %w: %w", s.queue.name, queue.ErrSessionLost, queue.ErrClosed)
}

// tagOf is the tag that a failure names.
func tagOf(st *queue.Settlement) uint64 {
	if st.Delivery == nil {
		return 0
	}
	return st.Delivery.Tag
}
