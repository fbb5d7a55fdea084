package queue

import "context"

// Returner is an optional capability of a [Session]: to give a delivery back by a way that publishes nothing. The consumer uses it when the
// broker does not take a settlement, for example because the queue for its copy is full. Without it such a delivery keeps its slot.
type Returner interface {
	// Return gives the deliveries of batch back to the broker, which delivers them again. Each settlement is the one that was
	// refused. Its After is the least time until the next delivery; a driver whose broker can't keep a delay returns the delivery
	// at once. A return may cost an attempt where the broker counts it. A driver may carry the settlement out instead, if the
	// broker offers a way without a copy.
	//
	// Return returns nil when every delivery is on its way back, and otherwise the errors of [Session.Settle]: one that wraps
	// ErrSessionLost, or a *SettleError that names the deliveries which are still held. It is safe for concurrent use with the
	// other methods of the session, and honours ctx.
	Return(ctx context.Context, batch []Settlement) error
}
