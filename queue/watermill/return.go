package watermill

import (
	"context"

	"github.com/gentask/gentask/queue"
)

var _ queue.Returner = (*session)(nil)

// Return implements [queue.Returner]. It gives deliveries back by Nack, which publishes nothing and
// keeps no delay.
func (s *session) Return(_ context.Context, batch []queue.Settlement) error {
	if err := s.ended(); err != nil {
		return err
	}
	var failed []queue.SettleFailure
	for i := range batch {
		st := &batch[i]
		h, err := s.claim(st)
		if err == nil {
			err = s.let(h, false)
		}
		if err != nil {
			failed = append(failed, queue.SettleFailure{Tag: tagOf(st), Err: err})
		}
	}
	if len(failed) > 0 {
		return &queue.SettleError{Failed: failed}
	}
	return nil
}
