package nats

import (
	"context"
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

var (
	// ErrNoJetStream is returned if the server runs without JetStream, or the account may not use
	// it.
	ErrNoJetStream = errors.New("nats: no JetStream: start the server with -js, and enable it for the account")

	// ErrRefused is returned if the server refuses the credentials, or the user lacks a right.
	ErrRefused = errors.New("nats: refused: check user, password or token in the URL, " +
		"the credentials in Config.Options, and the user's permissions")

	errUnconfirmed = fmt.Errorf("nothing was confirmed for %v: the stream has no leader, or its disk is slow",
		confirmTimeout)

	errSilent = errors.New("nats: the server sends nothing, not even heartbeats")
)

// MismatchError is returned if a stream or consumer exists with properties that a queue must not
// have. It wraps [queue.ErrConfig].
type MismatchError struct {
	// Kind is "stream" or "consumer", and Name is its name at the server.
	Kind, Name string

	// Differences has one text for each property, with the present and the required value. It is
	// never empty.
	Differences []string
}

// Error lists every difference.
func (e *MismatchError) Error() string {
	text := fmt.Sprintf("nats: %s %q exists with other properties:", e.Kind, e.Name)
	for i, d := range e.Differences {
		if i > 0 {
			text += ";"
		}
		text += " " + d
	}
	return text + ": edit or delete it, or choose another queue name"
}

// Unwrap returns [queue.ErrConfig].
func (e *MismatchError) Unwrap() error { return queue.ErrConfig }

// explain adds the remedy to the client's errors.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, natsgo.ErrAuthorization), errors.Is(err, natsgo.ErrAuthExpired),
		errors.Is(err, natsgo.ErrAuthRevoked),
		errors.Is(err, natsgo.ErrAccountAuthExpired):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, natsgo.ErrNoResponders): // no responder on the API's subjects
		return fmt.Errorf("%w: %w", ErrNoJetStream, err)
	}
	return err
}

// lost returns the error of a session that is over, with its cause.
func lost(cause error) error {
	return fmt.Errorf("%w: %w", queue.ErrSessionLost, cause)
}

// within returns the context's own error, if it has one, and otherwise err.
func within(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); err != nil && ctxErr != nil && !errors.Is(err, ctxErr) {
		return fmt.Errorf("%w: %w", ctxErr, err)
	}
	return err
}
