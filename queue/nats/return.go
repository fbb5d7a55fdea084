package nats

import (
	"context"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return implements [queue.Returner]. It gives deliveries back by -NAK, with their delay, which the
// server keeps. It publishes nothing. The server counts each as a delivery.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	claims, failures, err := s.claimReturns(ctx, batch)
	if err != nil {
		return err
	}
	defer s.settles.Done()
	if err := s.answer(ctx, claims); err != nil {
		return err
	}
	if len(failures) == 0 {
		return nil
	}
	return &queue.SettleError{Failed: failures}
}

// claimReturns claims the deliveries, and returns the failures of those that are not held. It adds
// to settles, unless it returns an error.
func (s *session) claimReturns(ctx context.Context, batch []queue.Settlement) ([]claim, []queue.SettleFailure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return nil, nil, err
	}
	s.settles.Add(1)
	var claims []claim
	var failures []queue.SettleFailure
	for _, one := range batch {
		h := s.held[tagOf(one)]
		err := ctx.Err()
		if h == nil || &h.Delivery != one.Delivery || h.copying {
			err = queue.ErrSettled
		}
		if err != nil {
			failures = append(failures, queue.SettleFailure{Tag: tagOf(one), Err: err})
			continue
		}
		delete(s.held, h.Tag)
		one.Disposition = queue.Requeue // sent as -NAK
		claims = append(claims, claim{holding: h, settlement: one})
	}
	return claims, failures, nil
}
