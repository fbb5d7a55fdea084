package gentask

import (
	"context"
	"io"
	"net"

	"github.com/gentask/gentask/internal/guard"
)

// openedNever reports whether there has been no session, and notes why.
func (l *instance) openedNever(reason error) bool {
	if l.opened.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.openFailed = reason
	return true
}

// neverOpened returns why no session was ever opened; nil if one was, or none was tried.
func (l *instance) neverOpened() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened.Load() || l.openFailed == nil {
		return nil
	}
	return &noSessionError{l.openFailed}
}

// noSessionError wraps ErrNoSession and the reason.
type noSessionError struct{ reason error }

// Error returns both.
func (e *noSessionError) Error() string { return ErrNoSession.Error() + ": " + e.reason.Error() }

// Unwrap returns both.
func (e *noSessionError) Unwrap() []error { return []error{ErrNoSession, e.reason} }

// saidNo reports whether a broker that was reached has said no.
func saidNo(err error) bool {
	if unreachable(err) {
		return false
	}
	op, network := guard.As[*net.OpError](err)
	if network && op != nil {
		return false
	}
	for _, silence := range []error{context.DeadlineExceeded, context.Canceled, ErrDriverStuck, ErrSessionLost, io.EOF, io.ErrUnexpectedEOF} {
		if guard.Is(err, silence) {
			return false
		}
	}
	return !guard.Is(err, net.ErrClosed)
}
