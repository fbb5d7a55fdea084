package queue

import "time"

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
}
