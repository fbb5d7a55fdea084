package postgres

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
)

// request is one call of Settle. The session's lock guards it until done is closed.
type request struct {
	ops      []op
	underway bool // it is part of a transaction
	done     chan struct{}
	failed   []queue.SettleFailure
	lost     error // why the session was over before
}

// op is one settlement that is valid.
type op struct {
	h  *holding
	st *queue.Settlement
}

// Settle implements [queue.Session]. It returns when the transaction of all settlements that came
// in the meantime is committed. A requeue and a release are updates of the same row.
func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	r, failed, err := s.submit(ctx, batch)
	if err != nil {
		return err
	}
	if r != nil {
		if err := s.await(ctx, r); err != nil {
			return err
		}
		failed = append(failed, r.failed...)
	}
	if failed != nil {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}

// submit hands the valid settlements of batch to the intake. The request is nil if there are none.
func (s *session) submit(ctx context.Context, batch []queue.Settlement) (*request, []queue.SettleFailure, error) {
	for {
		r, failed, changed, err := s.trySubmit(ctx, batch)
		if changed == nil {
			return r, failed, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// trySubmit returns a channel to wait for, if a settlement of batch is that of a delivery whose
// earlier settlement has no result yet.
func (s *session) trySubmit(ctx context.Context, batch []queue.Settlement) (
	*request, []queue.SettleFailure, <-chan struct{}, error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return nil, nil, nil, err
	}
	if ctx.Err() != nil {
		return nil, failAll(batch, ctx.Err()), nil, nil
	}
	for i := range batch {
		if h := s.holding(&batch[i]); h != nil && h.request != nil {
			return nil, nil, s.changed, nil
		}
	}
	r := &request{done: make(chan struct{})}
	var failed []queue.SettleFailure
	for i := range batch {
		h, err := s.take(&batch[i])
		if err != nil {
			failed = append(failed, queue.SettleFailure{Tag: tagOf(&batch[i]), Err: err})
			continue
		}
		h.request = r
		st := batch[i]
		r.ops = append(r.ops, op{h, &st})
	}
	if len(r.ops) == 0 {
		return nil, failed, nil, nil
	}
	s.pending = append(s.pending, r)
	s.nudge()
	return r, failed, nil, nil
}

// take returns the delivery that st settles, once.
func (s *session) take(st *queue.Settlement) (*holding, error) {
	if st.Delivery == nil {
		return nil, fmt.Errorf("postgres: %w: Settlement.Delivery is nil, must be what Receive returned",
			queue.ErrConfig)
	}
	if st.Disposition < queue.Ack || st.Disposition > queue.DeadLetter {
		return nil, fmt.Errorf(
			"postgres: %w: Settlement.Disposition is %v, must be ack, requeue, release or dead letter",
			queue.ErrConfig, st.Disposition)
	}
	h := s.holding(st)
	if h == nil || h.request != nil {
		return nil, queue.ErrSettled
	}
	return h, nil
}

// holding returns the delivery of st, if it is held.
func (s *session) holding(st *queue.Settlement) *holding {
	h := s.held[tagOf(st)]
	if h == nil || &h.Delivery != st.Delivery {
		return nil
	}
	return h
}

// tagOf returns the tag of the delivery of st, or zero, which no delivery has.
func tagOf(st *queue.Settlement) uint64 {
	if st.Delivery == nil {
		return 0
	}
	return st.Delivery.Tag
}

// await waits for the result of r.
func (s *session) await(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.lost
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-r.done:
		return r.lost
	default:
	}
	if !r.underway {
		s.withdraw(r)
	}
	batch := make([]queue.SettleFailure, len(r.ops))
	for i, o := range r.ops {
		batch[i] = queue.SettleFailure{Tag: o.h.Tag, Err: ctx.Err()}
	}
	return &queue.SettleError{Failed: batch}
}

// withdraw takes back a request that no transaction has. The caller holds the lock.
func (s *session) withdraw(r *request) {
	kept := s.pending[:0]
	for _, other := range s.pending {
		if other != r {
			kept = append(kept, other)
		}
	}
	s.pending = kept
	for _, o := range r.ops {
		o.h.request = nil
	}
	s.change()
}

// failAll fails every settlement of batch for the same reason.
func failAll(batch []queue.Settlement, err error) []queue.SettleFailure {
	var failed []queue.SettleFailure
	for i := range batch {
		failed = append(failed, queue.SettleFailure{Tag: tagOf(&batch[i]), Err: err})
	}
	return failed
}

// failPending ends all requests after the session is over.
func (s *session) failPending() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if r := h.request; r != nil && r.lost == nil {
			r.lost = s.end
			close(r.done)
		}
	}
	s.change()
}
