package queue

import (
	"context"
	"fmt"
	"time"
)

// Disposition is what becomes of a delivery. The set is closed.
type Disposition uint8

// The dispositions. The zero Disposition is none of them, so that a forgotten one is refused and not taken for an ack.
const (
	// Ack removes the message from the queue: the job is done.
	Ack Disposition = iota + 1

	// Requeue gives the message back, to be delivered again, as the next attempt, no earlier than Settlement.After from now. It holds no
	// prefetch slot meanwhile, and its delay survives what the queue survives.
	Requeue

	// Release gives the message back without costing an attempt: it was not started, or interrupted through no fault of its own. It is at
	// once there for others; with Settlement.After it is put off instead: delivered again no earlier, and kept meanwhile as Requeue keeps it.
	Release

	// DeadLetter takes the message out of the queue and keeps it in the queue's dead-letter queue with reason, attempt and stack.
	DeadLetter
)

// String returns the disposition's name.
func (d Disposition) String() string {
	switch d {
	case Ack:
		return "ack"
	case Requeue:
		return "requeue"
	case Release:
		return "release"
	case DeadLetter:
		return "dead letter"
	}
	return fmt.Sprintf("disposition(%d)", uint8(d))
}

// Settlement is the final word on one delivery of one session.
type Settlement struct {
	// Delivery is what is settled: the value that Receive of the same session returned.
	Delivery *Delivery

	// Disposition is what becomes of it.
	Disposition Disposition

	// After is the least time until the next delivery, for Requeue and Release; zero or less means at once. What is longer than the
	// broker can keep is delivered after the longest time that it can, with the rest in Message.NotBefore.
	After time.Duration

	// Reason is why, for Requeue and DeadLetter; it ends up in HeaderReason where the driver publishes a copy.
	Reason string

	// Attempt is which attempt has ended, for a delivery that was tried more than once by its holder. Less than Delivery.Attempt means that.
	Attempt int

	// Uncounted is how many of Delivery.Attempt are no attempts: the broker has counted a return, see Returner. Zero means none.
	Uncounted int

	// Stack is the stack that belongs to Reason, for DeadLetter; empty when there is none.
	Stack string
}

// Attempts returns how many attempts are used up with the one that has ended.
func (s *Settlement) Attempts() int { return max(s.Attempt, s.Delivery.Attempt-s.Uncounted) }

// Source is where deliveries come from: one queue of one broker. Its methods are safe for concurrent use, so that many consumers can share one.
type Source interface {
	// Open connects, makes or checks the queue, and starts a session. It returns when deliveries flow, or with the error that says what
	// was refused and what would be right. An error that wraps ErrUnavailable, or a failed dial (*net.OpError), says that nobody refused anything:
	// the consumer asks again within a second then, instead of less and less often. Open honours ctx: no dead network can hold it for longer.
	Open(ctx context.Context, opts Options) (Session, error)
}

// Named is what a Source may be besides: one whose queue has a name. It is the consumer's, too, if that was given none.
type Named interface {
	// Name returns the queue's name. It is always the same, does not block, and is safe for concurrent use.
	Name() string
}

// BacklogReporter is what a Source may be besides: one that can tell what waits. The consumer asks it now and then while slots are free and nothing
// comes, and so tells a subscription that has gone silent, which it opens anew, from a queue that is empty.
type BacklogReporter interface {
	// Backlog returns how many messages the queue has that could be delivered at once to whoever has a free slot: delayed ones and those
	// that are held are not among them; to count too few is better than too many. It asks the broker by way of no session, for the network
	// of one may be dead, honours ctx, and is cheap enough to be asked every two seconds by every consumer. It is safe for concurrent use.
	Backlog(ctx context.Context) (int, error)
}

// Deduplicator is what a Publisher may be besides: one that takes a Message.UniqueKey, and can tell for how long it remembers that.
type Deduplicator interface {
	// UniqueWindow returns how long a key is remembered after the message with it was enqueued. It asks the broker, if need be, and honours
	// ctx. The error wraps ErrUnsupported when keys are not remembered at all. It is safe for concurrent use.
	UniqueWindow(ctx context.Context) (time.Duration, error)
}

// Options are what a consumer asks of its session.
type Options struct {
	// Prefetch is the most unsettled deliveries that the session may hold, at least 1.
	Prefetch int

	// Name is shown at the broker where it has a place for it (consumer tag, connection name), so that a human recognises who consumes.
	// Empty means that the driver chooses one.
	Name string
}

// Session is one connection's worth of deliveries. It never heals itself. One goroutine receives; Settle, Cancel, Resume and Close are safe
// for concurrent use with it and with each other.
type Session interface {
	// Receive waits for the next delivery. It returns an error that wraps ErrSessionLost when the session is over for whatever reason
	// (the connection broke, the queue was deleted, the broker cancelled the consumer), ErrCancelled after Cancel when nothing that
	// was already on its way is left, ErrClosed after Close, and ctx.Err() when ctx ends, which loses no delivery.
	Receive(ctx context.Context) (*Delivery, error)

	// Settle ends the deliveries of batch, each exactly once, and returns when that is as certain as the driver makes it: for a settlement that
	// has to publish a copy (Requeue or Release with a delay, DeadLetter), after the broker's confirm. Order within the batch does not matter.
	// It returns nil when all were applied. It returns an error that wraps ErrSessionLost when the session is over; the broker then delivers
	// again, to anyone, what was not applied. Otherwise it returns a *SettleError that names those not applied: with ErrSettled (settled
	// before, or not of this session: nothing reached the wire), or with another reason, and then the delivery is still held and may be settled
	// again. A reason that wraps ErrConfig, ErrUnsupported or ErrTooLarge says that to try again is pointless. Settle honours ctx: when that ends,
	// what is not certain yet fails with ctx.Err(). The caller keeps batch.
	Settle(ctx context.Context, batch []Settlement) error

	// Cancel tells the broker to send no more. What is already on its way is still handed out by Receive, and can be settled, as can
	// everything held. A second Cancel does nothing.
	Cancel(ctx context.Context) error

	// Resume undoes Cancel: deliveries flow again. Without a Cancel before, it does nothing.
	Resume(ctx context.Context) error

	// Close ends the session. What was settled before is flushed; what is unsettled goes back to the broker. It returns when the broker has let
	// go, or when ctx ends, and then the connection is cut. A second Close does nothing and returns nil.
	Close(ctx context.Context) error
}

// Publisher puts messages into a queue. Its methods are safe for concurrent use.
type Publisher interface {
	// Publish returns nil when the broker has confirmed every message: they are as durable as the queue. Otherwise it returns a
	// *PublishError that names those without a confirm; they may or may not have arrived, but for those that were refused, with ErrConfig or
	// ErrUnsupported: they have not. It honours ctx, also while the broker blocks publishers. Publishing none does nothing.
	Publish(ctx context.Context, msgs ...Message) error
}
