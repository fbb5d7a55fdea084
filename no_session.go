package gentask

import (
	"context"
	"io"
	"net"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// noSessionError wraps ErrNoSession and the reason.
type noSessionError struct{ reason error }

// Error returns the texts of both.
func (e *noSessionError) Error() string { return ErrNoSession.Error() + ": " + e.reason.Error() }

// Unwrap returns both.
func (e *noSessionError) Unwrap() []error { return []error{ErrNoSession, e.reason} }

// saidNo reports whether the broker was reached and has refused.
func saidNo(err error) bool {
	if unreachable(err) {
		return false
	}
	if op, _ := guard.As[*net.OpError](err); op != nil {
		return false
	}
	for _, silence := range []error{
		context.DeadlineExceeded, context.Canceled, ErrDriverStuck, ErrSessionLost, io.EOF, io.ErrUnexpectedEOF,
	} {
		if guard.Is(err, silence) {
			return false
		}
	}
	return !guard.Is(err, net.ErrClosed)
}

// unreachable reports whether the broker was never reached: no connection was made, or the driver
// returned that the queue can't be reached through it.
func unreachable(err error) bool {
	if guard.Is(err, queue.ErrUnavailable) {
		return true
	}
	op, _ := guard.As[*net.OpError](err)
	return op != nil && op.Op == "dial"
}
