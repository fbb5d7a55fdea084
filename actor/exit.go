package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/guard"
)

// Exit ends the actor that ctx belongs to, after the current message, with reason; nil is a normal end. Messages that wait are dropped. A
// second Exit does nothing. A crash afterwards, in the handlers of Stopping and Stopped too, takes the place of a reason that is none (see
// Abnormal). Exit reads reason once, methods and all, on the calling goroutine; errors.Is and errors.As see through what others are told.
func Exit(ctx Context, reason error) {
	sendSystem(ctx.ActorSystem(), ctx.Self(), &exitCall{reason: guard.Seal(reason)})
}

// StopRequest reaches an actor that traps stops instead of the stop, each time that somebody tells it to stop. The actor ends when it calls
// Exit.
type StopRequest struct{}

// TrapStop makes the actor that ctx belongs to hear *StopRequest when somebody tells it to stop, its parent's own stop included, so that it
// can put its house in order without blocking. It takes effect at once, also for a stop that came before it, and must be called from within
// the actor's Receive, best while Started is processed. A crash and Kill are not trapped.
func TrapStop(ctx Context) {
	sendSystem(ctx.ActorSystem(), ctx.Self(), &trapCall{})
}

// Stop tells an actor to stop, and doesn't wait. See Shutdown to wait. It does nothing to an actor
// that is gone, nor does Kill. Both stop a router of protoactor-go with its routees.
func Stop(sys *System, pid *PID) {
	stop(sys, pid, func() {})
}

// Kill makes an actor of this package stop with ErrKilled, even if it traps stops. What runs in its Receive can't be interrupted: see Abandon.
func Kill(sys *System, pid *PID) {
	if p, ok := sys.ProcessRegistry.Get(pid); ok && foreign(sys, p, pid) {
		stop(sys, pid, func() {})
		return
	}
	sendSystem(sys, pid, &exitCall{reason: ErrKilled})
}

// Abandon makes the actor that ctx belongs to forget its child, as if it had ended, so that a child whose Receive never returns can't hold up
// its parent's stop. Tell the child to stop, or kill it, first: it ends when its Receive returns, and its Exited, if asked for, comes then.
func Abandon(ctx Context, child *PID) {
	sendSystem(ctx.ActorSystem(), ctx.Self(), &pa.Terminated{Who: child, Why: abandoned})
}
