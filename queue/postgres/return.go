package postgres

import (
	"context"
	"slices"

	"github.com/gentask/gentask/queue"
)

// Return implements [queue.Returner]. It keeps the delay, and costs no attempt.
func (s *session) Return(ctx context.Context, batch []queue.Settlement) error {
	batch = slices.Clone(batch)
	for i := range batch {
		st := &batch[i]
		*st = queue.Settlement{Delivery: st.Delivery, Disposition: queue.Release, After: st.After}
	}
	return s.Settle(ctx, batch)
}
