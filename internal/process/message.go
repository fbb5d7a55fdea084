package process

import (
	pa "github.com/asynkron/protoactor-go/actor"
)

// Messages that the mailboxes of package actor understand, in the system queue.
type (
	// Exit makes the actor end with a sealed reason. It can't be trapped.
	Exit struct{ Reason error }
	// Query asks a mailbox to call Answer.
	Query struct{ Answer func() }
	// ReportedReady sends Ready. Unless Reported is set, it does so only if Ready is not delayed.
	ReportedReady struct{ Reported bool }
	// DelayedReady delays Ready until it is reported.
	DelayedReady struct{}
)

// The Why of a Terminated that no child has sent.
const (
	// Abandoned ends a child for its parent although it lives on.
	Abandoned pa.TerminatedReason = -1 - iota
	// Released does the same to a foreign child, if it still is a child.
	Released
)

// DelayReady holds back the actor.Ready of the actor that ctx belongs to, until [ReportReady] is
// called. It is for an actor that is ready later than its Started, such as a supervisor with its
// children. It must be called while Started is processed.
func DelayReady(ctx pa.Context) {
	System(ctx.ActorSystem(), ctx.Self(), &DelayedReady{})
}

// ReportReady sends the parent the actor.Ready that [DelayReady] held back, if the parent asked for
// one.
func ReportReady(ctx pa.Context) {
	System(ctx.ActorSystem(), ctx.Self(), &ReportedReady{Reported: true})
}

// Probe calls answer, once, when the actor at pid can be reached: between two messages, and before
// those that wait. An actor whose Receive does not return never answers. If no actor lives at pid,
// Probe calls answer at once. answer may be called on any goroutine, and must neither block nor
// panic.
func Probe(sys *pa.ActorSystem, pid *pa.PID, answer func()) {
	if p, ok := sys.ProcessRegistry.Get(pid); ok {
		p.SendSystemMessage(pid, &Query{Answer: answer})
		return
	}
	answer()
}

// Abandon makes the actor that ctx belongs to forget its child, as if it had ended. A child whose
// Receive never returns then can't hold up its parent's stop. Stop the child, or kill it,
// first. It ends when its Receive returns, and its actor.Exited, if the parent asked for it, comes
// then.
func Abandon(ctx pa.Context, child *pa.PID) {
	System(ctx.ActorSystem(), ctx.Self(), &pa.Terminated{Who: child, Why: Abandoned})
}
