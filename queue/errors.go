package queue

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrSettled is returned when a delivery was settled before, or is not of this session. Nothing was sent to the broker.
	ErrSettled = errors.New("queue: delivery already settled")

	// ErrSessionLost is returned when the session is over: what it held and did not settle is delivered again by the broker, to anyone.
	ErrSessionLost = errors.New("queue: session lost")

	// ErrCancelled is returned by Receive after Cancel, when nothing is left to hand out.
	ErrCancelled = errors.New("queue: session cancelled")

	// ErrClosed is returned by every method of a session, source or publisher that was closed by its user.
	ErrClosed = errors.New("queue: closed")

	// ErrUnavailable is wrapped by the error of an Open that nobody has refused: the broker answers nothing, or says that whoever keeps the queue (a
	// node, a leader that is being elected) is not there just now. It is worth asking again soon. See also Source.Open.
	ErrUnavailable = errors.New("queue: unavailable at the moment")

	// ErrConfig is wrapped by every error about a value that the user gave: it names the field, what it was and what would be right.
	ErrConfig = errors.New("queue: bad config")

	// ErrUnsupported is wrapped by the error of a message or a settlement that asks for what the broker, or its driver, can't do, so that no
	// order is silently dropped: it says what, and what would be right. The message was not published, the delivery is still held.
	ErrUnsupported = errors.New("queue: unsupported")

	// ErrTooLarge is wrapped by the error of a message or a settlement whose copy is larger than the broker takes. The message was not published,
	// the delivery is still held.
	ErrTooLarge = errors.New("queue: too large for the broker")
)

// ErrUnknown is wrapped by the error about a message that this program can't read, and that another version of it may: of a kind, a version, a
// content type or a compression that it doesn't know. A decoder that meets such a thing wraps it. The consumer puts the message off, so that another
// node gets it.
var ErrUnknown = errors.New("queue: unknown to this node")

// SettleError says which settlements of a batch were not applied.
type SettleError struct {
	// Failed has one element for each settlement that was not applied, in no particular order. It is never empty.
	Failed []SettleFailure
}

// SettleFailure is one settlement that was not applied.
type SettleFailure struct {
	Tag uint64
	Err error
}

// Error names the first few.
func (e *SettleError) Error() string {
	names := make([]string, 0, maxNamed)
	for i, f := range e.Failed {
		if i == maxNamed {
			break
		}
		names = append(names, fmt.Sprintf("delivery %d: %v", f.Tag, f.Err))
	}
	return fmt.Sprintf("queue: %d not settled: %s", len(e.Failed), strings.Join(names, "; "))
}

// Unwrap gives errors.Is and errors.As access to every reason.
func (e *SettleError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// PublishError says which messages have no confirm of the broker.
type PublishError struct {
	// Failed has one element for each message without a confirm, in the order of publishing. It is never empty.
	Failed []PublishFailure
}

// PublishFailure is one message without a confirm.
type PublishFailure struct {
	ID  string
	Err error
}

// Error names the first few.
func (e *PublishError) Error() string {
	names := make([]string, 0, maxNamed)
	for i, f := range e.Failed {
		if i == maxNamed {
			break
		}
		names = append(names, fmt.Sprintf("message %q: %v", f.ID, f.Err))
	}
	return fmt.Sprintf("queue: %d not confirmed: %s", len(e.Failed), strings.Join(names, "; "))
}

// Unwrap gives errors.Is and errors.As access to every reason.
func (e *PublishError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// maxNamed bounds how many failures an error text names; the fields have them all.
const maxNamed = 3
