package supervision

import (
	"context"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// Func makes a function a supervised child. Its result is a [ChildSpec.Props], for any Restart.
// Each start calls f once, on a goroutine of its own. The child is ready as soon as it has started,
// and ends when f returns:
//
//   - nil is a normal end.
//   - An error, a panic or a runtime.Goexit is a crash, with that reason.
//   - [ErrIgnore] itself declines: the child is not restarted, even if its Restart is Permanent.
//
// When the child is stopped, ctx is cancelled, with [actor.ErrShutdown] as its cause. If f then
// returns nil or an error that wraps [context.Canceled], the exit reason is actor.ErrShutdown. A
// function that does not return in [ChildSpec.Shutdown], and in 100 ms more, is abandoned, and
// named in an [AbandonedError]. If it returns later, that is a [ChildEndedLate].
//
// Func(nil) returns nil, which every supervisor refuses with [ErrConfig].
func Func(f func(ctx context.Context) error) func() *actor.Props {
	if f == nil {
		return nil
	}
	props := actor.FromProducer(func() actor.Actor { return &function{f: f} })
	return func() *actor.Props { return props }
}

// function is the child. The call of f is a child of its own, because an actor whose Receive runs
// gets no messages.
type function struct {
	f       func(ctx context.Context) error
	cancel  context.CancelCauseFunc
	stopped bool
}

// Receive implements [actor.Actor].
func (f *function) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		actor.TrapStop(ctx)
		f.start(ctx)
	case *actor.StopRequest:
		f.stopped = true
		f.cancel(actor.ErrShutdown)
	case *actor.Stopping:
		f.cancel(actor.ErrKilled) // it was killed, or has ended
	case *actor.Exited:
		actor.Exit(ctx, f.reason(m.Reason))
	}
}

func (f *function) start(ctx actor.Context) {
	var fctx context.Context
	fctx, f.cancel = context.WithCancelCause(context.Background())
	call := actor.FromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*actor.Started); ok {
			actor.Exit(c, f.f(fctx))
		}
	})
	actor.Spawn(ctx, call, actor.SpawnOptions{Name: "call", Monitor: true})
}

// reason returns the exit reason of the child, given that of the call.
func (f *function) reason(reason error) error {
	if f.stopped && (reason == nil || guard.Is(reason, context.Canceled)) {
		return actor.ErrShutdown
	}
	return reason
}
