package gentask

import (
	"context"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// settling is the answer of a session to a batch of settlements, read on the goroutine that asked.
type settling struct {
	failed map[uint64]error // by tag; the others were applied
	over   bool             // the session is over, or says nothing of the single settlements
	err    error            // all of it, sealed
}

// settlingOf reads what Settle returned.
func settlingOf(err error) settling {
	if err == nil {
		return settling{}
	}
	s := settling{err: guard.Seal(err)}
	some, _ := guard.As[*queue.SettleError](s.err)
	if some == nil || len(some.Failed) == 0 || guard.Is(s.err, queue.ErrSessionLost) {
		s.over = true
		return s
	}
	s.failed = make(map[uint64]error, len(some.Failed))
	for _, f := range some.Failed {
		reason := guard.Seal(f.Err)
		s.failed[f.Tag] = reason
		s.over = s.over || guard.Is(reason, queue.ErrSessionLost)
	}
	return s
}

// perhaps reads the answer of a driver whose context was cut, and that returned no more than the context's error: it has settled nothing, as far
// as it knows.
func (s *settling) perhaps(batch []queue.Settlement) {
	if !s.over || guard.Is(s.err, queue.ErrSessionLost) || !guard.Is(s.err, context.Canceled) {
		return
	}
	s.over, s.failed = false, make(map[uint64]error, len(batch))
	for i := range batch {
		s.failed[batch[i].Delivery.Tag] = s.err
	}
}
