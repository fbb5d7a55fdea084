package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

// Settle implements [queue.Session]. When ctx ends before the batch is applied, which only faults
// make possible, nothing of it is applied, and all its deliveries are still held.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if slow := q.faults.SlowSettle; slow > 0 {
		q.mu.Unlock()
		err := sleep(ctx, slow, s.done)
		q.mu.Lock()
		if err != nil {
			return s.refuseAll(batch, err)
		}
	}
	if err := s.unblocked(ctx, batch); err != nil {
		return s.refuseAll(batch, err)
	}
	if s.over != nil {
		_ = s.refuseAll(batch, s.over) // for the journal; the caller gets the session's error
		return s.gone()
	}
	if len(batch) == 0 {
		return nil
	}
	return s.settle(batch)
}

// settle applies batch as far as the faults allow.
func (s *session) settle(batch []queue.Settlement) error {
	q, f := s.q, &s.q.faults
	if q.strikes(&f.LoseSession) {
		s.lose()
		return s.gone()
	}
	if q.strikes(&f.LoseAck) {
		q.stats.LostAcks += len(batch)
		s.lose()
		return nil
	}
	if q.strikes(&f.FailSettle) {
		return s.refuseAll(batch, orRefused(f.FailError))
	}
	err := s.applyAll(batch)
	if q.strikes(&f.LoseReply) {
		s.lose()
		return s.gone()
	}
	return err
}

// applyAll applies every valid settlement of batch.
func (s *session) applyAll(batch []queue.Settlement) error {
	var failed []queue.SettleFailure
	var released []holding
	for i := range batch {
		h, err := s.claim(&batch[i])
		switch {
		case err != nil:
			failed = append(failed, s.refuse(&batch[i], err))
		case batch[i].Disposition == queue.Release && batch[i].After <= 0:
			released = append(released, h)
		default:
			s.q.apply(h, &batch[i])
		}
	}
	s.q.release(released)
	s.q.wake()
	s.q.tell()
	if failed != nil {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// claim takes the delivery of st out of the session, once.
func (s *session) claim(st *queue.Settlement) (holding, error) {
	if st.Delivery == nil {
		return holding{}, fmt.Errorf("%w: Settlement.Delivery is nil, want what Receive returned", queue.ErrConfig)
	}
	if st.Disposition < queue.Ack || st.Disposition > queue.DeadLetter {
		return holding{}, fmt.Errorf("%w: Settlement.Disposition is %v, want ack, requeue, release or dead letter",
			queue.ErrConfig, st.Disposition)
	}
	if h, ok := s.held[st.Delivery.Tag]; !ok || h.Delivery != st.Delivery {
		return holding{}, queue.ErrSettled
	}
	if err := s.q.refusal(st); err != nil {
		return holding{}, err
	}
	h := s.release(st.Delivery.Tag)
	h.attempts = st.Attempts()
	s.q.note(Entry{
		Op: Settled, Session: s.number, Tag: h.Tag, ID: h.ID, Attempt: h.Attempt,
		Disposition: st.Disposition,
	})
	return h, nil
}

// release frees the slot of a delivery that is held.
func (s *session) release(tag uint64) holding {
	h := s.held[tag]
	delete(s.held, tag)
	s.q.stats.Held--
	return h
}

// tags returns the tags of the deliveries that are held, in their order.
func (s *session) tags() []uint64 { return slices.Sorted(maps.Keys(s.held)) }

// apply applies st to a delivery that has left its session.
func (q *Queue) apply(h holding, st *queue.Settlement) {
	switch st.Disposition {
	case queue.Ack:
		q.stats.Acked++
		q.locks.gone(h.Sequence)
	case queue.Requeue:
		q.requeue(h, st)
	case queue.Release: // one without a delay is applied by release, with the others of its batch
		q.stats.Released++
		q.delay(h.back(h.attempts), st.After)
	case queue.DeadLetter:
		q.bury(h, st)
	}
}

// requeue gives h back for the next attempt.
func (q *Queue) requeue(h holding, st *queue.Settlement) {
	q.stats.Requeued++
	it := h.back(h.attempts + 1)
	if q.cfg.Isolates {
		it.Headers = with(without(it.Headers, queue.HeaderSuspect), queue.HeaderAttempts, strconv.Itoa(h.attempts))
	}
	if st.Reason != "" {
		it.Headers = with(it.Headers, queue.HeaderReason, cut(st.Reason, queue.MaxReason))
	}
	if st.After > 0 {
		q.delay(it, st.After)
		return
	}
	q.ready.pushBack(it)
}

// release puts hs before the head, in the order in which they were delivered.
func (q *Queue) release(hs []holding) {
	slices.SortFunc(hs, func(a, b holding) int { return cmp.Compare(b.Tag, a.Tag) })
	for _, h := range hs {
		q.stats.Released++
		it := h.back(h.attempts)
		it.back = h.handed
		q.ready.pushFront(it)
	}
}

// bury adds h to the dead letters.
func (q *Queue) bury(h holding, st *queue.Settlement) {
	q.stats.DeadLettered++
	m := h.Message
	m.Headers = with(without(m.Headers, queue.HeaderSuspect),
		queue.HeaderAttempts, strconv.Itoa(h.attempts),
		queue.HeaderQueue, q.cfg.Name,
		queue.HeaderDeadAt, time.Now().UTC().Format(time.RFC3339Nano))
	if st.Reason != "" {
		m.Headers[queue.HeaderReason] = cut(st.Reason, queue.MaxReason)
	}
	st.Evidence.Headers(func(name, text string, most int) { m.Headers[name] = cut(text, most) })
	q.letters.add(m, q.locks.gone(h.Sequence))
}

// refuseAll refuses every settlement of batch for the same reason.
func (s *session) refuseAll(batch []queue.Settlement, err error) error {
	failed := make([]queue.SettleFailure, len(batch))
	for i := range batch {
		failed[i] = s.refuse(&batch[i], err)
	}
	if len(failed) == 0 {
		return nil
	}
	return &queue.SettleError{Failed: failed}
}

// refuse records a settlement that was not applied.
func (s *session) refuse(st *queue.Settlement, err error) queue.SettleFailure {
	e := Entry{Op: Refused, Session: s.number, Disposition: st.Disposition, Err: err}
	if st.Delivery != nil {
		e.Tag, e.ID, e.Attempt = st.Delivery.Tag, st.Delivery.ID, st.Delivery.Attempt
	}
	s.q.stats.Refused++
	s.q.note(e)
	return queue.SettleFailure{Tag: e.Tag, Err: err}
}

// with returns a copy of headers in which the names and values of pairs are set.
func with(headers map[string]string, pairs ...string) map[string]string {
	headers = maps.Clone(headers)
	if headers == nil {
		headers = make(map[string]string, len(pairs)/2)
	}
	for i := 0; i < len(pairs); i += 2 {
		headers[pairs[i]] = pairs[i+1]
	}
	return headers
}

// cut returns the first n bytes of text.
func cut(text string, n int) string { return text[:min(n, len(text))] }
