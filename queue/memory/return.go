package memory

import (
	"context"
	"slices"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return implements [queue.Returner]. It gives deliveries back to the head, or after a delay to the
// tail, without costing an attempt. With [Faults.CrudeReturn] it always gives them back to the
// head, at the cost of an attempt.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.over != nil {
		return s.gone()
	}
	err := ctx.Err()
	if err == nil && q.strikes(&q.faults.FailSettle) {
		err = orRefused(q.faults.FailError)
	}
	if err != nil {
		return s.refuseAll(batch, err)
	}
	var failed []queue.SettleFailure
	for i := range slices.Backward(batch) { // the last one must go to the head first
		if err := s.giveBack(&batch[i]); err != nil {
			failed = append(failed, s.refuse(&batch[i], err))
		}
	}
	q.wake()
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
