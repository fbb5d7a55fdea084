package gentasktest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// source is a memory queue with a limit of deliveries, so that a message that goes back to it stays
// there.
type source struct {
	*memory.Queue
	left atomic.Int64
}

// Open starts a session of the queue.
func (s *source) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	inner, err := s.Queue.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &session{Session: inner, source: s, cancelled: make(chan struct{})}, nil
}

// session keeps the contract of [queue.Session], as a session of a queue that is empty after the
// limit.
type session struct {
	queue.Session
	source    *source
	cancel    sync.Once
	cancelled chan struct{}
}

// Receive returns the next delivery within the limit.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	if s.source.left.Add(-1) < 0 {
		select {
		case <-s.cancelled:
			return nil, queue.ErrCancelled
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	d, err := s.Session.Receive(ctx)
	if err == nil && d.Attempt > 1 {
		d.Redelivered = true // also the first, of a message that Attempt has made
	}
	return d, err
}

// Cancel stops the deliveries.
func (s *session) Cancel(ctx context.Context) error {
	s.cancel.Do(func() { close(s.cancelled) })
	return s.Session.Cancel(ctx)
}
