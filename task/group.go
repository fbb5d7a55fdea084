package task

import (
	"context"
	"errors"
	"sync"

	"github.com/gentask/gentask/actor"
)

// Go runs f in a goroutine that belongs to the task that ctx comes from: the task ends only when f has returned, and if f returns an error,
// panics or calls runtime.Goexit, the task's context is cancelled and the task ends with that reason. A panic in a goroutine that a plain go
// statement starts kills the process; no library can catch it.
//
// Without a task in ctx, Go returns an error that wraps errors.ErrUnsupported and doesn't call f.
func Go(ctx context.Context, f func(context.Context) error) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return errNoTask
	}
	r.group.start(func() error { return f(ctx) }, r.stop)
	return nil
}

var errNoTask = &noTaskError{}

type noTaskError struct{}

func (*noTaskError) Error() string { return "task: Go needs the context of a task" }
func (*noTaskError) Unwrap() error { return errors.ErrUnsupported }

// group is the goroutines of one task. The zero value is ready.
type group struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed error
}

// start calls stop with the first failure.
func (g *group) start(f func() error, stop func(error)) {
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		var err error
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				err = reason
			}
			if err != nil && g.fail(err) {
				stop(err)
			}
		}()
		err = f()
		returned = true
	}()
}

func (g *group) fail(err error) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return false
	}
	g.failed = err
	return true
}

func (g *group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func (g *group) wait() { g.wg.Wait() }
