package batching

import (
	"context"
	"time"
)

// Member is a job, as far as its batch is concerned. The fields are set before [Set.Join], and must
// not change afterwards. A member joins once.
type Member struct {
	Owner   any    // the caller's record of the job; must be comparable
	ID      string // results are by ID; no two members of a batch share one
	Key     string // members of different keys are never in one batch
	Attempt int    // from 1
	Size    int    // of the body, in bytes
	Payload any

	batch *batch
	turn  chan struct{} // gets a value when the member is elected; buffered, because it may have left
}

// Join makes m a member of a batch of f, and returns its result when there is one. It must be
// called in the task of m, with the context of the task, or one that derives from it: see
// [WithTask].
//
// While the batch gathers, or waits for its leader, a member whose ctx ends leaves, and its Err is
// the cause. While the batch is handled, such a member waits for its result for nine tenths of
// [Settings.Grace]; then its Err is the cause. Once the leader's task is told to stop, no member
// waits longer than that: its result is [Stopped] then.
//
// If m is elected, Join calls the function. A panic of it becomes the result of all members. So
// does a Goexit, but Join doesn't return to the leader then: its goroutine ends.
func (s *Set) Join(ctx context.Context, f *Function, m *Member) Result {
	m.turn = make(chan struct{}, 1)
	s.enter(f, m)
	defer s.forget(m)
	b := m.batch
	select {
	case <-m.turn:
		return s.lead(ctx, m)
	case <-b.over:
		return b.result(m)
	case <-b.interrupted:
	case <-ctx.Done():
		if s.leave(m) {
			return Result{Err: context.Cause(ctx)}
		}
		s.quit(b, context.Cause(ctx))
	}
	return s.await(ctx, m)
}

// await waits for a batch whose function should return soon.
func (s *Set) await(ctx context.Context, m *Member) Result {
	b, timer := m.batch, time.NewTimer(s.patience())
	defer timer.Stop()
	select {
	case <-b.over:
		return b.result(m)
	case <-timer.C:
	}
	if ctx.Err() != nil {
		return Result{Err: context.Cause(ctx)}
	}
	return b.without(m, ErrNoResult)
}
