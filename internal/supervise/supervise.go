// Package supervise has the messages that the consumer sends to the supervisor of its workers.
// Users of the library call the functions of package supervision instead, which block.
package supervise

// Start starts a child of a dynamic supervisor. Spec is supervision.ChildSpec. The supervisor does
// not wait for the child: one that fails in Started has crashed, and is restarted as its Restart
// requires. ChildSpec.Notify gets an [Ended], also if the start is refused. Tag must not be nil.
type Start[Spec any] struct {
	Spec Spec
	Tag  any
}

// Ended is the supervision.Ended of a child that a [Start] with this Tag has started, or failed to
// start.
type Ended struct {
	Tag    any
	Reason error
}

// Terminate stops a child of a dynamic supervisor, by its ID or the Id of its PID.
type Terminate struct{ ID string }
