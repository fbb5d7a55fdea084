package watermill

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// Settle implements [queue.Session]. A requeue and a dead letter publish a copy first, and
// acknowledge the original when the publisher has returned. If the connection breaks in between,
// the message is there twice.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	if err := s.ended(); err != nil {
		return err
	}
	var failed []queue.SettleFailure
	var said []*held
	for i := range batch {
		st := &batch[i]
		h, err := s.claim(st)
		if err == nil {
			err = s.apply(ctx, h, st)
		}
		if err != nil {
			failed = append(failed, queue.SettleFailure{Tag: tagOf(st), Err: err})
			// after a Nack, some subscribers keep the context for the next delivery
		} else if !nacks(st) && !s.waitsToBeDue(st) {
			said = append(said, h)
		}
	}
	heard(ctx, said, hearing)
	if len(failed) > 0 {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// claim claims one delivery.
func (s *session) claim(st *queue.Settlement) (*held, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[tagOf(st)]
	if h == nil || &h.Delivery != st.Delivery || h.claimed {
		return nil, queue.ErrSettled
	}
	if st.Disposition < queue.Ack || st.Disposition > queue.DeadLetter {
		return nil, fmt.Errorf("watermill: %w: Settlement.Disposition is %v: right would be one of the dispositions",
			queue.ErrConfig, st.Disposition)
	}
	h.claimed = true
	return h, nil
}

func tagOf(st *queue.Settlement) uint64 {
	if st.Delivery == nil {
		return 0 // tags start at 1
	}
	return st.Delivery.Tag
}

// nacks reports whether the settlement gives the message itself back.
func nacks(st *queue.Settlement) bool { return st.Disposition == queue.Release && st.After <= 0 }

// delayed reports whether the settlement requests a delay.
func delayed(st *queue.Settlement) bool {
	return st.After > 0 && (st.Disposition == queue.Requeue || st.Disposition == queue.Release)
}

// waitsToBeDue reports whether the settlement keeps the message until its copy is due.
func (s *session) waitsToBeDue(st *queue.Settlement) bool {
	return delayed(st) && s.queue.cfg.Delayed == nil
}

// apply applies a settlement. After an error the delivery can be settled again.
func (s *session) apply(ctx context.Context, h *held, st *queue.Settlement) error {
	if s.waitsToBeDue(st) {
		return s.keep(h, *st)
	}
	if err := s.copy(ctx, h, st); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.claimed = false
		return err
	}
	return s.let(h, !nacks(st))
}

// copy publishes the copy that replaces the original, if the disposition needs one.
func (s *session) copy(ctx context.Context, h *held, st *queue.Settlement) error {
	q := s.queue
	switch st.Disposition {
	case queue.DeadLetter:
		return q.send(ctx, q.cfg.Publisher, q.cfg.DeadTopic, q.copyOf(&h.Delivery, st))
	case queue.Requeue, queue.Release:
		if nacks(st) {
			return nil
		}
		msg := q.copyOf(&h.Delivery, st)
		if delayed(st) && q.cfg.Delayed != nil {
			return q.sendLater(ctx, msg, st.After)
		}
		return q.send(ctx, q.cfg.Publisher, q.topic, msg)
	case queue.Ack:
	}
	return nil
}

// let removes the delivery from those that are held, and acknowledges it, or gives it back, at the
// subscriber.
func (s *session) let(h *held, ack bool) error {
	s.mu.Lock()
	if s.why != nil {
		s.mu.Unlock()
		return s.why
	}
	delete(s.held, h.Tag)
	h.forget()
	s.mu.Unlock()
	if ack {
		h.msg.Ack()
	} else {
		h.msg.Nack()
	}
	<-s.slots
	return nil
}

// keep holds a message until it is due.
func (s *session) keep(h *held, st queue.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return s.why
	}
	s.waits.Go(func() { s.wait(h, &st) })
	return nil
}

// wait publishes the copy when it is due. If that fails, the message goes back as it is.
func (s *session) wait(h *held, st *queue.Settlement) {
	timer := time.NewTimer(st.After)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.over:
		return // given back
	}
	err := s.copy(s.ctx, h, st)
	_ = s.let(h, err == nil) // the session's end has given it back
}
