package memory

import (
	"context"

	"github.com/gentask/gentask/queue"
)

var _ queue.Standby = (*session)(nil)

// Standby implements [queue.Standby]: it returns [Faults.Standby].
func (s *session) Standby(ctx context.Context) (string, error) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	return s.q.faults.Standby, ctx.Err()
}
