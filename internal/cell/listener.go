package cell

// Listener takes the outcomes of a task in the place of an actor's mailbox. O is
// *task.Outcome[any].
type Listener[O any] interface {
	// TaskOutcome takes each outcome that the owner of the task would get. last is set on the
	// goroutine of a task that has ended, where nothing else is left to do. Otherwise locks are
	// held, and TaskOutcome must run no user code. It must not block. A panic in it is
	// recovered, and the outcome is lost.
	TaskOutcome(o O, last bool)
}

// Parent is the parent context of a task without an owner. Users of package task can't implement
// it, because they can't name a [Listener].
type Parent[O any] interface {
	// TaskListener returns the listener of a task that is being spawned, or nil.
	TaskListener() Listener[O]
}
