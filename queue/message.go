package queue

import (
	"fmt"
	"time"
)

// Message is a message to publish, or one that was published. The zero value is an empty message,
// which is valid.
type Message struct {
	// ID names the message during its life, over all of its attempts. Publishers replace an empty
	// ID by a random, unique one. A message of a foreign publisher may have none; the driver then
	// makes one that is unique to the delivery.
	ID string

	// Body is the payload, opaque to the library. It must not be changed after publishing or
	// receiving.
	Body []byte

	// Headers travel with the message. Names that start with "gentask-" belong to the library and
	// its drivers: see [HeaderAttempts] and its siblings. Values that a broker holds in another
	// type are converted to text.
	Headers map[string]string

	// ContentType is the media type of Body, for example "application/json". Empty means
	// unspecified.
	ContentType string

	// Time is the time of publishing, as the broker or the publisher gave it, and zero if it is
	// unknown. Publishers replace a zero one by the present.
	Time time.Time

	// NotBefore is the earliest time of delivery. Until then the broker keeps the message, as
	// durably as any other, and it occupies no slot. Zero, or a time that has passed, means at
	// once.
	//
	// NotBefore is an instruction to the publisher. A dead letter has none. A delivery has one only
	// if it comes too early, because the broker could not keep it for as long as a settlement
	// asked. It must then be released again until that time.
	NotBefore time.Time

	// Priority is from 0, the normal one, to [MaxPriority]. A message overtakes waiting messages of
	// a lower priority, but none that are already on their way to a session. The priority stays the
	// same over all attempts.
	Priority int

	// UniqueKey suppresses duplicates. Until UniqueUntil only the first message with the key is
	// enqueued. The others are confirmed and dropped, with any content; [PublishResults] reports
	// them. Empty means that the message is not compared with others.
	//
	// UniqueKey is an instruction to the publisher: deliveries and dead letters have none.
	UniqueKey string

	// UniqueUntil is until when the UniqueKey is taken. The zero value is [UntilWindowEnds]. With
	// another value, UniqueKey must not be empty. Keys are compared with those of messages with the
	// same UniqueUntil only.
	//
	// UniqueUntil is an instruction to the publisher, too.
	UniqueUntil Until

	// Properties are fields that programs use among themselves. Nil means none. They must not be
	// changed after publishing or receiving.
	Properties *Properties
}

// MaxPriority is the highest [Message.Priority].
const MaxPriority = 9

// Check returns an error that wraps [ErrConfig] if m is invalid for any publisher. Publishers call
// it.
func (m *Message) Check() error {
	if m.Priority < 0 || m.Priority > MaxPriority {
		return fmt.Errorf("%w: Message.Priority is %d: want 0, for most messages, to %d", ErrConfig,
			m.Priority, MaxPriority)
	}
	if err := m.checkUnique(); err != nil {
		return err
	}
	return m.Properties.check()
}

// Headers of the library. Drivers write them, and users find them in [Message.Headers].
const (
	// HeaderAttempts holds the number of attempts that were used up before this copy of the message
	// was published, in decimal. A driver that must publish a copy to requeue, release or
	// dead-letter writes it, so that [Delivery.Attempt] continues.
	HeaderAttempts = "gentask-attempts"

	// HeaderReason holds the error's text of the last requeue or of the dead letter.
	HeaderReason = "gentask-reason"

	// HeaderStack holds the stack of the panic that led to the dead letter, cut to [MaxStack]
	// bytes.
	HeaderStack = "gentask-stack"

	// HeaderLog holds the last log lines of the attempt that led to the dead letter, at most
	// [MaxLog] bytes.
	HeaderLog = "gentask-log"

	// HeaderQueue holds the name of the queue that a dead letter comes from.
	HeaderQueue = "gentask-queue"

	// HeaderVersion holds the version of the payload, which the publisher chooses: see Versions of
	// gentask.Config. No driver writes it.
	HeaderVersion = "gentask-version"

	// HeaderKind holds the kind of the message, which is the publisher's to choose: see
	// gentask.NewKind. No driver writes it.
	HeaderKind = "gentask-kind"

	// HeaderSuspect marks a suspect, which must run with nothing else held: see [Isolator]. It
	// holds the number of attempts that are known to be used up, in decimal, which may be less than
	// [HeaderAttempts].
	HeaderSuspect = "gentask-suspect"

	// HeaderDeadAt holds when the message was dead-lettered, in RFC 3339 with nanoseconds, UTC.
	HeaderDeadAt = "gentask-dead-at"
)

// MaxStack is the most bytes of a stack in [HeaderStack], MaxLog those of [HeaderLog], and
// MaxReason those of a reason in [HeaderReason].
const (
	MaxStack  = 8 << 10
	MaxLog    = 8 << 10
	MaxReason = 2 << 10
)

// Delivery is one message held, not yet settled. It belongs to the [Session] that handed it out. It
// is safe for concurrent reading.
type Delivery struct {
	Message

	// Tag identifies the delivery within its session only.
	Tag uint64

	// Attempt is the number of this delivery among those of its message, from 1. A release does not
	// count. A delivery that was lost with its session or its process counts if the broker counts
	// it.
	Attempt int

	// Redelivered reports whether the broker has recorded, or must assume, that the message was
	// delivered before.
	Redelivered bool

	// Isolated reports whether the delivery comes from the place for suspects: see [Isolator].
	Isolated bool

	// Sequence is the broker's own number of the message, from 1. It is zero if the broker has none
	// that stays the same over all deliveries and copies. Together with ID, Time and Body, which
	// stay the same too, it distinguishes the message from another one that was published with the
	// same ID.
	Sequence uint64
}
