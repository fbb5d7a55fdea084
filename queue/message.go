package queue

import (
	"fmt"
	"time"
)

// Message is what is published. The zero value is an empty message, which is legal.
type Message struct {
	// ID names the message for as long as it lives, over all of its attempts. Publishers fill an empty one with a random, unique value.
	// A message of a foreign publisher may have none; the driver then makes up one that is unique to the delivery.
	ID string

	// Body is the payload, opaque to the library. Nobody may change it after publishing or receiving it.
	Body []byte

	// Headers travel with the message. Names that start with "gentask-" belong to the library and its drivers (see HeaderAttempts and
	// its siblings). Values that a broker holds in another type are written as text.
	Headers map[string]string

	// ContentType is the media type of Body, for example "application/json". Empty means unsaid.
	ContentType string

	// Time is when the message was published, as far as the broker or the publisher said; zero when unknown. Publishers fill a zero one.
	Time time.Time

	// NotBefore has the broker keep the message until then: it is delivered no earlier, takes nobody's slot meanwhile, and is as durable as any
	// other. Zero, and what has passed, means at once. It is an order to the publisher: a dead letter has none, and a delivery has one only
	// if it comes too early, because the broker could not keep it for as long as a settlement has asked. It is to be released again until then.
	NotBefore time.Time

	// Priority lets the message overtake those of a lower one that wait: from 0, which is what most messages have, to MaxPriority. What is
	// already on its way to a session is not overtaken. It stays with the message as long as that lives.
	Priority int

	// UniqueKey makes repetitions harmless: within the queue's window, of which the driver's Config tells, only the first message with the
	// key is enqueued; the others are confirmed and dropped, whatever else they say. It is an order to the publisher: a delivery and a
	// dead letter have none. Empty means that the message is not to be compared with others.
	UniqueKey string
}

// MaxPriority is the highest Message.Priority.
const MaxPriority = 9

// Check returns an error that wraps ErrConfig when m can't be right, whoever is to publish it. Publishers call it.
func (m *Message) Check() error {
	if m.Priority < 0 || m.Priority > MaxPriority {
		return fmt.Errorf("%w: Message.Priority is %d: right would be 0, for most messages, to %d", ErrConfig, m.Priority, MaxPriority)
	}
	return nil
}

// Headers of the library. They are written by drivers, and shown to users in Message.Headers.
const (
	// HeaderAttempts holds how many attempts were used up before this copy of the message was published, as a decimal number. A driver
	// that must publish a copy to requeue, release or dead-letter writes it, so that Delivery.Attempt goes on where it was.
	HeaderAttempts = "gentask-attempts"

	// HeaderReason holds why a message was requeued last or dead-lettered: the error's text.
	HeaderReason = "gentask-reason"

	// HeaderStack holds the stack of the panic that led to the dead letter, cut to MaxStack bytes.
	HeaderStack = "gentask-stack"

	// HeaderQueue holds the name of the queue that a dead letter comes from.
	HeaderQueue = "gentask-queue"

	// HeaderVersion holds the version of the payload, which is the publisher's to choose: see gentask.Config.Versions. No driver writes it.
	HeaderVersion = "gentask-version"

	// HeaderKind holds the kind of the message, which is the publisher's to choose: see gentask.NewKind. No driver writes it.
	HeaderKind = "gentask-kind"

	// HeaderDeadAt holds when the message was dead-lettered, in RFC 3339 with nanoseconds, UTC.
	HeaderDeadAt = "gentask-dead-at"
)

// MaxStack is the most bytes of a stack that travel in HeaderStack. MaxReason is the same for HeaderReason.
const (
	MaxStack  = 8 << 10
	MaxReason = 2 << 10
)

// Delivery is one message held, not yet settled. It belongs to the Session that handed it out. It is safe for concurrent reading.
type Delivery struct {
	Message

	// Tag names the delivery within its session, never beyond it.
	Tag uint64

	// Attempt says which delivery of the message this is, from 1. A release does not count. A delivery that was lost with its session or
	// its process does, where the broker tells.
	Attempt int

	// Redelivered says that the broker knows, or must assume, that the message was delivered before.
	Redelivered bool

	// Sequence is the broker's own number of the message, from 1, where it has one that stays the same over all deliveries and copies of the
	// message; otherwise zero. Together with ID, Time and Body, which stay the same, too, it tells the deliveries of one message from those of
	// another that was published under the same ID.
	Sequence uint64
}
