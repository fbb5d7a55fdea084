// Package supervise has the messages that the consumer sends to the supervisor of its workers.
// Users of the library call the functions of package supervision instead, which block.
package supervise

// Start starts a child of a dynamic supervisor. Spec is supervision.ChildSpec. The supervisor does
// not wait for the child: one that fails in Started has crashed, and is restarted as its Restart
// requires. If the start is refused, ChildSpec.Notify gets a supervision.Ended with the error as
// its Reason.
type Start[Spec any] struct{ Spec Spec }

// Terminate stops a child of a dynamic supervisor, by its ID or the Id of its PID.
type Terminate struct{ ID string }
