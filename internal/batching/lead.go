package batching

import (
	"context"
	"maps"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// lead handles the batch of m in its task, and returns the result of m.
func (s *Set) lead(ctx context.Context, m *Member) (r Result) {
	if ctx.Err() != nil {
		s.leave(m) // it can: only its leader handles a batch
		return Result{Err: context.Cause(ctx)}
	}
	b := m.batch
	run, cancel := newContext(ctx)
	defer cancel(nil)
	members := s.handle(b, cancel)
	withdraw := s.watch(ctx, b, run)
	returned := false
	defer func() {
		b.outcome.end(actor.Recovered(recover(), returned))
		if !withdraw() {
			<-b.interrupted
		}
		close(b.over)
		r = b.result(m)
	}()
	results, err := b.place.function.Call(run, members)
	b.outcome.results, b.outcome.err = sealed(results), guard.Seal(err)
	returned = true
	return Result{} // the deferred call sets it
}

// end notes how the function ended; fault is nil if it returned.
func (o *outcome) end(fault error) {
	o.fault = fault
	switch fault.(type) { //nolint:errorlint // what it is, not what it wraps
	case nil:
	case *actor.GoexitError:
		o.ending = Exited
	default:
		o.ending = Panicked
	}
}

// handle makes the members of b final, and returns them.
func (s *Set) handle(b *batch, cancel context.CancelCauseFunc) []*Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.handled, b.cancel = true, cancel
	return b.members
}

// watch interrupts b when the task of its leader is told to stop, and cancels run when all its
// members are. It returns how to end that: false means that b is interrupted, or will be in a
// moment.
func (s *Set) watch(leader context.Context, b *batch, run *runContext) (withdraw func() bool) {
	all := context.AfterFunc(leader, func() { s.quit(b, context.Cause(leader)) })
	own := context.AfterFunc(run.task, func() {
		b.cause = context.Cause(run.task)
		close(b.interrupted)
		b.cancel(b.cause)
	})
	return func() bool {
		all()
		return own()
	}
}

// quit notes that a member of b, which is handled, was told to stop. The last one takes the
// function with it, because its results have no taker.
func (s *Set) quit(b *batch, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.quits++; b.quits == len(b.members) {
		b.cancel(cause)
	}
}

// sealed returns a copy of results. Each error is read once, here: the members would read it at the
// same time, in their own tasks.
func sealed(results map[string]error) map[string]error {
	own := maps.Clone(results)
	for id, err := range own {
		own[id] = guard.Seal(err)
	}
	return own
}
