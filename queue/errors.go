package queue

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrSettled is returned when a delivery was settled before, or is not of this session. Nothing
	// was sent to the broker.
	ErrSettled = errors.New("queue: delivery already settled")

	// ErrSessionLost is returned when the session is over. The broker delivers again, to any
	// session, the deliveries that it held and did not settle.
	ErrSessionLost = errors.New("queue: session lost")

	// ErrCancelled is returned by [Session.Receive] after [Session.Cancel], when no delivery is
	// left to hand out.
	ErrCancelled = errors.New("queue: session cancelled")

	// ErrClosed is returned by every method of a session, source or publisher that was closed by
	// its user.
	ErrClosed = errors.New("queue: closed")

	// ErrUnavailable is wrapped by the error of an Open that was not refused: the broker does not
	// answer, or the node or leader that keeps the queue is not there at the moment. It is worth
	// another attempt soon. See also [Source.Open].
	ErrUnavailable = errors.New("queue: unavailable at the moment")

	// ErrConfig is wrapped by every error about a value that the user gave. The text names the
	// field, its value and the valid values.
	ErrConfig = errors.New("queue: bad config")

	// ErrUnsupported is wrapped by the error of a message or a settlement that asks for something
	// that the broker, or its driver, can't do. No request is silently ignored: the text names it,
	// and a valid alternative. The message was not published, the delivery is still held.
	ErrUnsupported = errors.New("queue: unsupported")

	// ErrKeyTaken is wrapped by the error of [Letters.Redrive] about letters that stay, because
	// another message has the unique key that they had: see [UntilDone]. [LetterWalk.Redrive]
	// returns it for such a letter.
	ErrKeyTaken = errors.New("queue: unique key taken by another message")

	// ErrTooLarge is wrapped by the error of a message or a settlement whose copy exceeds the
	// broker's limit. The message was not published, the delivery is still held.
	ErrTooLarge = errors.New("queue: too large for the broker")
)

// ErrUnknown is wrapped by the error about a message that this program can't read, but another
// version of it may: a kind, a version, a content type or a compression that it doesn't know. A
// decoder that meets such a message wraps ErrUnknown. The consumer snoozes the message, so that
// another node gets it.
var ErrUnknown = errors.New("queue: unknown to this node")

// SettleError lists the settlements of a batch that were not applied.
type SettleError struct {
	// Failed has one element for each settlement that was not applied, in no particular order. It
	// is never empty.
	Failed []SettleFailure
}

// SettleFailure is one settlement that was not applied.
type SettleFailure struct {
	Tag uint64
	Err error
}

// Error names the first three.
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

// Unwrap returns every reason, for errors.Is and errors.As.
func (e *SettleError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// PublishError lists the messages that the broker has not confirmed.
type PublishError struct {
	// Failed has one element for each message without a confirm, in the order of publishing. It is
	// never empty.
	Failed []PublishFailure
}

// PublishFailure is one message without a confirm.
type PublishFailure struct {
	ID  string
	Err error
}

// Error names the first three.
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

// Unwrap returns every reason, for errors.Is and errors.As.
func (e *PublishError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// maxNamed is the most failures that an error text names; the fields have all of them.
const maxNamed = 3
