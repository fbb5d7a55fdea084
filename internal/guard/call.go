package guard

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

var (
	// ErrLate is wrapped by the error of a call that did not return within the limit of its hook.
	ErrLate = errors.New("gentask: function did not return in time")

	// ErrHung is wrapped by the error of a call that was not made, because too many earlier ones
	// hang.
	ErrHung = errors.New("gentask: function not called, because earlier calls have not returned")
)

// Call runs f on a goroutine of its own and returns its result, with the error sealed. A panic and
// a Goexit are errors. If ctx ends or the limit of the hook is over first, Call returns the cause.
// The context of f ends, and the result of f is dropped.
//
// While f does not return although the limit is over, the hook counts it as hung. With [MaxHung]
// such calls Call does not call f, and returns an error that wraps [ErrHung].
func Call[T any](ctx context.Context, h *Hook, f func(context.Context) (T, error)) (T, error) {
	var none T
	if h.Hung() >= MaxHung {
		h.refused.Add(1)
		return none, fmt.Errorf("%w: %s, %d of them", ErrHung, h.name, MaxHung)
	}
	ctx, cancel := h.bounded(ctx)
	defer cancel()
	c := &call[T]{hook: h, ended: make(chan struct{})}
	go h.host.Run(func() { c.run(ctx, f) })
	select {
	case <-c.ended:
		return c.value, c.err
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	_, late := cause.(*lateError) //nolint:errorlint // the cause itself
	switch {
	case !late:
		c.watch() // it may return soon: it was interrupted
	case !c.leave():
		<-c.ended // it has returned meanwhile
		return c.value, c.err
	}
	return none, Seal(cause)
}

func (h *Hook) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, h.limit, &lateError{h.name, h.limit})
}

// lateError wraps ErrLate. Error makes its text.
type lateError struct {
	name  string
	limit time.Duration
}

func (e *lateError) Error() string {
	return fmt.Sprintf("gentask: %s did not return within %v", e.name, e.limit)
}

func (*lateError) Unwrap() []error { return []error{ErrLate, context.DeadlineExceeded} }

// call is one call. Either it ends, or it is left behind.
type call[T any] struct {
	hook  *Hook
	over  atomic.Bool // it has ended, or was left behind: the first to set it decides
	ended chan struct{}
	value T
	err   error
}

func (c *call[T]) run(ctx context.Context, f func(context.Context) (T, error)) {
	returned := false
	defer func() {
		if reason := c.hook.host.recovered(recover(), returned); reason != nil {
			c.hook.CountFailed()
			c.err = reason
		}
		if c.over.CompareAndSwap(false, true) {
			close(c.ended)
			return
		}
		c.hook.CountReturned()
	}()
	v, err := f(ctx)
	c.value, c.err = v, Seal(err)
	returned = true
}

// leave counts the call as hung, unless it has ended.
func (c *call[T]) leave() bool {
	if !c.over.CompareAndSwap(false, true) {
		return false
	}
	c.hook.CountHung()
	return true
}

// watch leaves the call if it does not end within the limit of its hook from now.
func (c *call[T]) watch() {
	if c.hook.limit == 0 {
		c.leave()
		return
	}
	time.AfterFunc(c.hook.limit, func() { c.leave() })
}
