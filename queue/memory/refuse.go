package memory

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/queue"
)

// copies reports whether most brokers would have to store a copy of the message for st.
func copies(st *queue.Settlement) bool {
	switch st.Disposition {
	case queue.Requeue, queue.DeadLetter:
		return true
	case queue.Release:
		return st.After > 0
	case queue.Ack:
	}
	return false
}

// refusal returns why the faults refuse st, or nil.
func (q *Queue) refusal(st *queue.Settlement) error {
	f := &q.faults
	if f.MaxDelay > 0 && st.After > f.MaxDelay {
		return fmt.Errorf("%w: Settlement.After is %v, want %v at most", queue.ErrUnsupported, st.After, f.MaxDelay)
	}
	if !copies(st) {
		return nil
	}
	if n := len(st.Delivery.Body); f.MaxBody > 0 && n > f.MaxBody {
		return fmt.Errorf("%w: a body of %d bytes, want %d at most", queue.ErrTooLarge, n, f.MaxBody)
	}
	if q.strikes(&f.RefuseCopy) {
		return orRefused(f.CopyError)
	}
	return nil
}

// unblocked waits while the faults block a settlement of batch, without the lock. It returns
// ctx.Err() if ctx ends before.
func (s *session) unblocked(ctx context.Context, batch []queue.Settlement) error {
	blocked := false
	for i := range batch {
		blocked = blocked || copies(&batch[i])
	}
	q := s.q
	for blocked && q.faults.BlockCopy && s.over == nil {
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-s.done:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
