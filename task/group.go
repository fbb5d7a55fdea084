package task

import (
	"context"
	"runtime"
	"sync"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// Go runs f in a goroutine that belongs to the task of ctx: the task ends only when f has returned.
// If f returns an error, panics or calls runtime.Goexit, the task's context is cancelled. The task
// then ends with that reason, unless another part of it failed before.
//
// A panic in a goroutine that a plain go statement starts kills the process; no library can catch
// it.
//
// Go returns [ErrNoTask] if ctx is not of a task, and [ErrEnded] if the task has ended. Then it
// doesn't call f.
func Go(ctx context.Context, f func(context.Context) error) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return ErrNoTask
	}
	if !r.group.enter() {
		return ErrEnded
	}
	go r.member(ctx, f)
	return nil
}

// member is a goroutine of the task. Stack finds it by this frame. The error is sealed here, as in
// Run.
//
//go:noinline
func (r *run) member(ctx context.Context, f func(context.Context) error) {
	var err error
	returned := false
	defer func() {
		if reason := actor.Recovered(recover(), returned); reason != nil {
			err = reason
		}
		if err != nil && r.group.fail(err, !returned) {
			r.fail(err)
		}
		r.group.leave()
	}()
	err = guard.Seal(f(ctx))
	returned = true
	runtime.KeepAlive(r) // or else a traceback might lack the receiver
}

// group holds the goroutines of one task, except its own. The zero value is ready. It is no
// sync.WaitGroup because any code with the context may call Go while the task waits, and later.
type group struct {
	mu      sync.Mutex
	running int32
	over    bool
	idle    chan struct{} // made by wait
	failed  error
	crashed bool // the goroutine of failed did not return
}

// enter returns false after wait.
func (g *group) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	g.running++
	return true
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running--; g.running == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// wait returns when no goroutine runs. Afterwards none can enter.
func (g *group) wait() {
	for {
		idle := g.end()
		if idle == nil {
			return
		}
		<-idle
	}
}

// end returns nil when the group is over, and otherwise a channel to wait on.
func (g *group) end() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == 0 {
		g.over = true
		return nil
	}
	g.idle = make(chan struct{})
	return g.idle
}

// fail keeps the first failure.
func (g *group) fail(err error, crashed bool) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return false
	}
	g.failed, g.crashed = err, crashed
	return true
}

// first returns the first failure of all, and whether it was a crash. body is how the task's own
// function ended.
func (g *group) first(bodyCrashed bool, body error) (crashed bool, reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil || g.failed == errBody { //nolint:errorlint // identity: it never leaves this package
		return bodyCrashed, body
	}
	return g.crashed, g.failed
}
