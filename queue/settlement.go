package queue

import (
	"context"
	"fmt"
	"time"
)

// Disposition is the kind of a [Settlement]. The set is closed.
type Disposition uint8

// The dispositions. The zero Disposition is none of them, so that a missing one is refused and not
// taken for an ack.
const (
	// Ack removes the message from the queue: the job is done.
	Ack Disposition = iota + 1

	// Requeue gives the message back for its next attempt, no earlier than [Settlement.After] from
	// now. Meanwhile it occupies no prefetch slot, and its delay is as durable as the queue.
	Requeue

	// Release gives the message back without costing an attempt, because the job was not started,
	// or was interrupted through no fault of its own. Others can get it at once. With
	// [Settlement.After] it is delivered again no earlier, and meanwhile kept as by Requeue.
	Release

	// DeadLetter moves the message to the queue's dead-letter queue, with reason, attempt and
	// stack.
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

// Settlement ends one delivery of one session.
type Settlement struct {
	// Delivery is the delivery to settle: the value that Receive of the same session returned.
	Delivery *Delivery

	// Disposition is one of [Ack], [Requeue], [Release] and [DeadLetter].
	Disposition Disposition

	// After is the least time until the next delivery, for Requeue and Release. Zero or less means
	// at once. If it exceeds the broker's maximum, the message is delivered after that, with the
	// time that it must still wait for in [Message.NotBefore].
	After time.Duration

	// Reason is the error's text, for Requeue and DeadLetter. A driver that publishes a copy writes
	// it to [HeaderReason].
	Reason string

	// Attempt is the attempt that has ended, for a delivery that its holder tried more than once. A
	// value below Delivery.Attempt means Delivery.Attempt.
	Attempt int

	// Uncounted is the part of Delivery.Attempt that is not attempts, because the broker has
	// counted returns: see [Returner]. Zero means none.
	Uncounted int

	// Evidence is what a dead letter has beside its Reason. It is nil if there is none, and for the
	// other dispositions.
	Evidence *Evidence
}

// Evidence helps to find out why a message was dead-lettered.
type Evidence struct {
	// Stack is the stack that belongs to the reason. It is empty if there is none.
	Stack string

	// Log is the last log lines of the attempt: valid UTF-8, at most [MaxLog] bytes. It is empty if
	// there are none.
	Log string
}

// Headers calls f for each header that a dead letter needs, with its text and the most bytes of it.
// A nil Evidence needs none. Drivers call it.
func (e *Evidence) Headers(f func(name, text string, most int)) {
	if e == nil {
		return
	}
	if e.Stack != "" {
		f(HeaderStack, e.Stack, MaxStack)
	}
	if e.Log != "" {
		f(HeaderLog, e.Log, MaxLog)
	}
}

// Attempts returns the number of attempts used up, including the one that has ended.
func (s *Settlement) Attempts() int { return max(s.Attempt, s.Delivery.Attempt-s.Uncounted) }

// Source is one queue of one broker, from which sessions receive. Its methods are safe for
// concurrent use by many consumers.
type Source interface {
	// Open connects, declares or checks the queue, and starts a session. It returns when deliveries
	// flow, or with an error that names what was refused, and the valid values. An error that wraps
	// [ErrUnavailable], or a failed dial (*net.OpError), means that nothing was refused. The
	// consumer then tries again within a second, without an increasing back-off. Open honours ctx:
	// it must return when ctx ends, even if the network is dead.
	Open(ctx context.Context, opts Options) (Session, error)
}

// Named is what a Source may be besides: one whose queue has a name. It is the consumer's, too, if
// that was given none.
type Named interface {
	// Name returns the queue's name. It is always the same, does not block, and is safe for
	// concurrent use.
	Name() string
}

// SystemNamed is what a Source or a Publisher may be besides: one that names its broker.
type SystemNamed interface {
	// System returns the kind of the broker as OpenTelemetry's attribute messaging.system has it,
	// for example "rabbitmq". It is always the same, does not block, and is safe for concurrent
	// use.
	System() string
}

// AgeReporter is what a Source may be besides: one that can find out how long messages wait. The
// driver postgres has it; RabbitMQ and JetStream don't show it.
type AgeReporter interface {
	// OldestAge returns for how long the oldest message that could be delivered at once has been
	// due, and zero if none waits. It excludes delayed messages as far as the broker can tell them
	// apart. It honours ctx, and is safe for concurrent use.
	OldestAge(ctx context.Context) (time.Duration, error)
}

// BacklogReporter is what a Source may be besides: one that can count what waits. The consumer asks
// it now and then while slots are free and nothing comes, and so distinguishes a subscription that
// has gone silent, which it renews, from a queue that is empty.
type BacklogReporter interface {
	// Backlog returns the number of messages that could be delivered at once to a free slot. It
	// excludes delayed ones and those that are held; too low a number is better than too high a
	// one. Backlog must not use a session's connection, because its network may be dead. It honours
	// ctx. Each consumer may call it every two seconds, so it must be cheap. It is safe for
	// concurrent use.
	Backlog(ctx context.Context) (int, error)
}

// Deduplicator is an optional capability of a [Publisher] that supports [Message.UniqueKey] with
// [UntilWindowEnds].
type Deduplicator interface {
	// UniqueWindow returns how long a key is remembered after its message was enqueued. It may ask
	// the broker, and honours ctx. The error wraps [ErrUnsupported] if keys are not remembered at
	// all. It is safe for concurrent use.
	UniqueWindow(ctx context.Context) (time.Duration, error)
}

// Options are a consumer's parameters for its session.
type Options struct {
	// Prefetch is the most unsettled deliveries that the session may hold, at least 1.
	Prefetch int

	// Name is shown at the broker if it has a place for it, such as a consumer tag or a connection
	// name. Empty means that the driver chooses one.
	Name string
}

// Session receives and settles deliveries over one connection. It never reconnects. One goroutine
// receives; Settle, Cancel, Resume and Close are safe for concurrent use with it and with each
// other.
type Session interface {
	// Receive waits for the next delivery. It returns an error that wraps [ErrSessionLost] when the
	// session is over: the connection broke, the queue was deleted, or the broker cancelled the
	// consumer. It returns [ErrCancelled] after Cancel when no delivery is left on its way, and
	// [ErrClosed] after Close. It returns ctx.Err() when ctx ends, which loses no delivery.
	Receive(ctx context.Context) (*Delivery, error)

	// Settle ends the deliveries of batch, each exactly once; their order does not matter. If a
	// settlement publishes a copy (Requeue or Release with a delay, DeadLetter), Settle returns
	// after the broker's confirm. For the others it returns when they are as certain as the driver
	// makes them. It returns nil when all were applied.
	//
	// An error that wraps [ErrSessionLost] means that the session is over. The broker then delivers
	// again, to any session, the deliveries whose settlement was not applied. Otherwise the error
	// is a [*SettleError] that lists the settlements that were not applied. Those with [ErrSettled]
	// were settled before, or are not of this session; nothing was sent. With another reason the
	// delivery is still held and may be settled again. A reason that wraps [ErrConfig],
	// [ErrUnsupported] or [ErrTooLarge] means that another attempt is pointless.
	//
	// Settle honours ctx: when ctx ends, each settlement that is not certain yet fails with
	// ctx.Err(). Settle does not keep batch.
	Settle(ctx context.Context, batch []Settlement) error

	// Cancel asks the broker to send no more. Receive still hands out the deliveries that are
	// already on their way, and all that are held can be settled. A second Cancel does nothing.
	Cancel(ctx context.Context) error

	// Resume undoes Cancel: deliveries flow again. Without a Cancel before, it does nothing.
	Resume(ctx context.Context) error

	// Close ends the session. It flushes earlier settlements; unsettled deliveries return to the
	// broker. Close returns when the broker has released the session. When ctx ends before, it cuts
	// the connection and returns. A second Close does nothing and returns nil.
	Close(ctx context.Context) error
}

// Publisher publishes messages into a queue. Its methods are safe for concurrent use.
type Publisher interface {
	// Publish returns nil when the broker has confirmed every message; they are then as durable as
	// the queue. Otherwise it returns a [*PublishError] that lists the messages without a confirm.
	// Those may or may not have arrived, but one that was refused with [ErrConfig] or
	// [ErrUnsupported] has not. Publish honours ctx, also while the broker blocks publishers.
	// Without messages it does nothing.
	Publish(ctx context.Context, msgs ...Message) error
}
