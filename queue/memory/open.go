package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

// Open starts a session, a *Session. It returns an error that wraps queue.ErrConfig for a prefetch
// below 1 and for a Config that makes no sense, queue.ErrClosed when the queue is closed, ctx.Err()
// when ctx has ended, and what Faults say.
func (q *Queue) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	bad := q.bad
	if opts.Prefetch < 1 {
		bad = errors.Join(bad,
			fmt.Errorf("%w: Options.Prefetch is %d, want at least 1", queue.ErrConfig, opts.Prefetch))
	}
	if bad != nil {
		return nil, bad
	}
	if err := sleep(ctx, q.Faults().SlowOpen, nil); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	if q.strikes(&q.faults.RefuseOpen) {
		return nil, orRefused(q.faults.RefuseError)
	}
	s := q.start(opts)
	if q.cfg.Isolates {
		return isolating{s}, nil
	}
	return s, nil
}

// start adds a session to the open ones.
func (q *Queue) start(opts queue.Options) *session {
	q.stats.Opened++
	s := &session{
		q:      q,
		number: q.stats.Opened,
		opts:   opts,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		held:   map[uint64]holding{},
	}
	q.sessions = append(q.sessions, s)
	q.note(Entry{Op: Opened, Session: s.number, Prefetch: opts.Prefetch})
	return s
}

// orRefused returns err, or ErrRefused if it is nil.
func orRefused(err error) error {
	if err == nil {
		return ErrRefused
	}
	return err
}
