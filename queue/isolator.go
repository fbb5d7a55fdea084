package queue

import "context"

// Isolator is an optional capability of a [Session]: it keeps suspects apart, at a place of their
// own beside the queue. A suspect may have killed the process that held it. The consumer uses it
// for its Policy.IsolateSuspects. At the place, a suspect is delivered only when a consumer holds
// nothing else and asks for it, so each delivery there is a run. Without Isolator a suspect stays
// in the queue, and costs the messages beside it an attempt when it kills.
//
// A suspect has [HeaderSuspect] as long as it is at the place, and in the copies of a Release. A
// Requeue and a DeadLetter remove the header.
type Isolator interface {
	// Isolate moves the deliveries of batch to the place, each by a copy that is confirmed before
	// its original is removed. The moves cost no attempt. Disposition is ignored. Errors are those
	// of [Session.Settle]; deliveries that were not moved are still held. It honours ctx.
	Isolate(ctx context.Context, batch []Settlement) error

	// Isolated returns how many suspects wait at the place. It does not count those that are held.
	// Each consumer may call it every second, so it must be cheap. It honours ctx.
	Isolated(ctx context.Context) (int, error)

	// ReceiveIsolated returns a suspect from the place, and nil if none waits. It must be called
	// only after Cancel, when Receive has returned [ErrCancelled]. The delivery has
	// [Delivery.Isolated], belongs to the session, and is settled like any other. When it returns
	// an error, the session should be closed: a suspect may be on its way.
	ReceiveIsolated(ctx context.Context) (*Delivery, error)
}
