package task

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

// runContext is the run as the context of its task. It has the values of its parent, the task's own
// deadline and end, and the run itself.
type runContext run

type runKey struct{}

// Deadline returns the deadline of the task, or the parent's if that is earlier.
func (c *runContext) Deadline() (deadline time.Time, ok bool) {
	if c.scope.parent != nil {
		deadline, ok = c.scope.parent.Deadline()
	}
	if own, limited := (*run)(c).deadline(); limited && (!ok || own.Before(deadline)) {
		return own, true
	}
	return deadline, ok
}

// Done is closed when the task must stop, or has ended.
func (c *runContext) Done() <-chan struct{} { return c.scope.waited().Done() }

// Err returns [context.DeadlineExceeded] after a timeout, and [context.Canceled] after any other
// end.
func (c *runContext) Err() error {
	s := &c.scope
	if s.state.Load() == open && s.parent != nil && s.parent.Err() != nil {
		s.endWithParent()
	}
	return s.err()
}

// Value returns the run for its key, and the value of the parent for others. Package context finds
// the inner context by it: contexts that derive from this one are children of the inner one, and
// cost no goroutine.
func (c *runContext) Value(key any) any {
	if _, ok := key.(runKey); ok {
		return (*run)(c)
	}
	if v := c.scope.value(key); v != nil || c.scope.parent == nil {
		return v
	}
	return c.scope.parent.Value(key)
}

// String returns the task's number and name. Package fmt would otherwise read the run's fields
// while they change.
func (c *runContext) String() string { return fmt.Sprintf("task %d %q", c.id, c.name) }

// deadline returns when the timeout is due, if there is one.
func (r *run) deadline() (at time.Time, ok bool) {
	limit := time.Duration(r.limit.Load())
	if limit == 0 || limit == Forever {
		return time.Time{}, false
	}
	return r.share.epoch.Add(limit), true
}

// These are the states of a scope.
const (
	open uint32 = iota
	canceled
	exceeded
)

// scope is the life of a task's context. A task that looks at no Done channel pays for none of it.
//
// The inner context is one of package context's, because only those can have children without a
// goroutine for each. It derives from an enderContext, because package context hands down
// DeadlineExceeded from a parent only: a CancelCauseFunc ends a context with Canceled.
//
// parent comes from the user: its methods are called on goroutines that run the user's code,
// without locks.
type scope struct {
	parent context.Context // may be nil

	state   atomic.Uint32
	made    atomic.Bool // there is an inner context
	carrier atomic.Pointer[context.Context]

	mu       sync.Mutex
	inner    context.Context
	endInner func()
	leave    func() bool // takes the scope off its parent
}

// waited returns the inner context, and makes it at the first call.
func (s *scope) waited() context.Context {
	if !s.made.Load() && s.makeInner() && s.parent != nil {
		s.follow()
	}
	return s.inner
}

// makeInner reports whether it has made the inner context.
func (s *scope) makeInner() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made.Load() {
		return false
	}
	s.inner = only(context.WithCancel((*enderContext)(s)))
	s.made.Store(true)
	if s.state.Load() != open {
		s.endInner()
	}
	return true
}

// only returns ctx: the scope ends it by other means.
func only(ctx context.Context, _ context.CancelFunc) context.Context { return ctx }

// follow ends the scope with its parent.
func (s *scope) follow() {
	p := (*parentContext)(s)
	if s.state.Load() != open || p.Done() == nil {
		return
	}
	if p.Err() != nil {
		s.endWithParent()
		return
	}
	leave := context.AfterFunc(p, s.endWithParent)
	s.mu.Lock()
	s.leave = leave
	over := s.state.Load() != open
	s.mu.Unlock()
	if over {
		s.left()
	}
}

// left takes the scope off its parent. It calls methods of the parent.
func (s *scope) left() {
	s.mu.Lock()
	leave := s.leave
	s.leave = nil
	s.mu.Unlock()
	if leave != nil {
		leave()
	}
}

func (s *scope) endWithParent() {
	p := (*parentContext)(s)
	state := canceled
	if p.Err() == context.DeadlineExceeded { //nolint:errorlint // the errors of contexts are these two
		state = exceeded
	}
	s.end(state, context.Cause(p))
}

// end ends the context, once. It calls no method of cause, which may come from the user, nor of the
// parent.
func (s *scope) end(state uint32, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != open {
		return
	}
	if cause != nil && cause != errOf(state) { //nolint:errorlint // identity
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		s.carrier.Store(&ctx)
	}
	s.state.Store(state)
	if s.endInner != nil {
		s.endInner()
	}
}

// err waits for an end that is under way: Done is closed by then.
func (s *scope) err() error {
	state := s.state.Load()
	if state == open {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errOf(state)
}

func errOf(state uint32) error {
	switch state {
	case canceled:
		return context.Canceled
	case exceeded:
		return context.DeadlineExceeded
	}
	return nil
}

// value returns the values of package context's own keys, and nil for other keys.
func (s *scope) value(key any) any {
	if s.made.Load() {
		return s.inner.Value(key)
	}
	return (*enderContext)(s).Value(key)
}

// enderContext is the scope as the parent of its inner context. Only package context uses it.
type enderContext scope

// Deadline returns none: the inner context's deadline is not used.
func (*enderContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done returns a channel that is never closed: the inner context ends by AfterFunc.
func (*enderContext) Done() <-chan struct{} { return never }

// Err returns how the scope has ended.
func (e *enderContext) Err() error { return errOf((*scope)(e).state.Load()) }

// Value returns the context with the cause of the end, for [context.Cause].
func (e *enderContext) Value(key any) any {
	if ctx := e.carrier.Load(); ctx != nil {
		return (*ctx).Value(key)
	}
	return nil
}

// AfterFunc keeps f, which ends the inner context. It is called while the inner context is made.
func (e *enderContext) AfterFunc(f func()) (stop func() bool) {
	e.endInner = f
	return func() bool { return false }
}

// never is a channel that is never closed.
var never = make(chan struct{})

// parentContext is the parent of a scope, which may be of any type, in a form that package context
// may use. Its methods do not panic, and there is an Err when Done is closed.
type parentContext scope

// Deadline returns none: it is not used.
func (*parentContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done returns the parent's channel.
func (p *parentContext) Done() (done <-chan struct{}) {
	defer func() { _ = recover() }()
	return p.parent.Done()
}

// Err returns nil, Canceled or DeadlineExceeded.
func (p *parentContext) Err() error {
	err := guard.Seal(p.read())
	select {
	case <-p.Done():
	default:
		if err == nil {
			return nil
		}
	}
	if guard.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

func (p *parentContext) read() (err error) {
	defer func() { _ = recover() }()
	return p.parent.Err()
}

// Value returns the value of the parent.
func (p *parentContext) Value(key any) (value any) {
	defer func() { _ = recover() }()
	return p.parent.Value(key)
}
