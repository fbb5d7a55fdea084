package memory

import (
	"context"
	"iter"
	"slices"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return implements [queue.Returner]. It gives deliveries back to the head, or after a delay to the
// tail, without costing an attempt. With [Faults.CrudeReturn] it always gives them back to the
// head, at the cost of an attempt.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	defer s.q.wake()
	return s.each(ctx, batch, slices.Backward(batch), s.giveBack) // the last one must go to the head first
}

// each calls f for the settlements of a batch, in the given order, unless the session is over or a
// fault strikes. It returns what f has refused. It must be called with mu held.
func (s *session) each(
	ctx context.Context, batch []queue.Settlement, order iter.Seq2[int, queue.Settlement],
	f func(*queue.Settlement) error,
) error {
	if s.over != nil {
		return s.gone()
	}
	err := ctx.Err()
	if err == nil && s.q.strikes(&s.q.faults.FailSettle) {
		err = orRefused(s.q.faults.FailError)
	}
	if err != nil {
		return s.refuseAll(batch, err)
	}
	var failed []queue.SettleFailure
	for i := range order {
		if err := f(&batch[i]); err != nil {
			failed = append(failed, s.refuse(&batch[i], err))
		}
	}
	if failed != nil {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// giveBack gives the delivery of st back.
func (s *session) giveBack(st *queue.Settlement) error {
	q, d := s.q, st.Delivery
	switch h, ok := s.held[tagOf(st)]; {
	case !ok || h.Delivery != d:
		return queue.ErrSettled
	case q.strikes(&q.faults.FailReturn):
		return ErrRefused
	}
	h := s.release(d.Tag)
	q.stats.GivenBack++
	q.note(Entry{
		Op: GivenBack, Session: s.number, Tag: h.Tag, ID: h.ID, Attempt: h.Attempt,
		Disposition: st.Disposition,
	})
	it := h.back(h.Attempt)
	switch {
	case q.faults.CrudeReturn:
		it.attempt++
	case st.After > 0:
		q.delay(it, st.After)
		return nil
	}
	it.back = h.handed
	q.ready.pushFront(it)
	return nil
}

// tagOf returns the tag of the delivery of st, or zero, which no delivery has.
func tagOf(st *queue.Settlement) uint64 {
	if st.Delivery == nil {
		return 0
	}
	return st.Delivery.Tag
}
