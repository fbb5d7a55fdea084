package actor

import (
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// Exit ends the actor that ctx belongs to, after the current message, with reason. A nil reason is
// a normal end. Messages that wait are dropped, and a second Exit does nothing. A later crash, in
// the handlers of Stopping and Stopped too, replaces a reason that is not [Abnormal].
//
// Exit reads reason once, methods and all, on the calling goroutine. errors.Is and errors.As find
// reason in the one that is reported.
func Exit(ctx Context, reason error) {
	process.System(ctx.ActorSystem(), ctx.Self(), &process.Exit{Reason: guard.Seal(reason)})
}

// StopRequest is sent to an actor that traps stops, instead of each stop. The actor ends when it
// calls [Exit].
type StopRequest struct{}

// TrapStop makes each stop of the actor that ctx belongs to a [*StopRequest], so that the actor can
// end its work without blocking. Its parent's own stop is trapped, too; a crash and [Kill] are not.
// TrapStop takes effect at once, also for a stop that came before it.
//
// It must be called from within the actor's Receive, best while Started is processed.
func TrapStop(ctx Context) {
	process.System(ctx.ActorSystem(), ctx.Self(), &trapCall{})
}

// Stop stops an actor, and doesn't wait: see [Shutdown]. Stop and [Kill] do nothing to an actor
// that has ended. Both stop a router of protoactor-go with its routees.
func Stop(sys *System, pid *PID) {
	stop(sys, pid, func() {})
}

// Kill stops an actor of this package with [ErrKilled], even if it traps stops. It can't interrupt
// a Receive that is running.
func Kill(sys *System, pid *PID) {
	if p, ok := sys.ProcessRegistry.Get(pid); ok && foreign(sys, p, pid) {
		stop(sys, pid, func() {})
		return
	}
	process.System(sys, pid, &process.Exit{Reason: ErrKilled})
}
