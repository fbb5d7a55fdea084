package queue

import "context"

// Returner is an optional capability of a [Session]: it gives a delivery back without publishing a
// copy. The consumer uses it when the broker refuses a settlement, for example because the queue
// for its copy is full. Without Returner such a delivery keeps its slot.
type Returner interface {
	// Return gives the deliveries of batch back to the broker, which delivers them again. Each
	// settlement is the one that was refused. Its After is the least time until the next delivery.
	// A driver whose broker can't keep a delay returns the delivery at once. A return may cost an
	// attempt if the broker counts it. A driver may apply the settlement instead, if the broker can
	// do so without a copy.
	//
	// Return returns nil when every delivery is on its way back, and otherwise the errors of
	// [Session.Settle]: one that wraps [ErrSessionLost], or a [*SettleError] that lists the
	// deliveries which are still held. It honours ctx. It is safe for concurrent use with the other
	// methods of the session.
	Return(ctx context.Context, batch []Settlement) error
}
