package gentask

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// logEnd logs what an operator must know of the end of a delivery. One that was acknowledged, released or
// lost is no news, nor is a requeue without a reason.
func (l *ledger) logEnd(e *entry) {
	switch e.disposition {
	case queue.DeadLetter:
		l.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "gentask: job dead-lettered", l.failureOf(e)...)
	case queue.Requeue:
		if _, reason := e.verdict(); reason != nil {
			attrs := append(l.failureOf(e), slog.Duration("after", e.after))
			l.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, "gentask: job failed, will be tried again", attrs...)
		}
	case queue.Ack, queue.Release:
	}
}

// failureOf describes an entry that failed.
func (l *ledger) failureOf(e *entry) []slog.Attr {
	_, reason := e.verdict()
	attrs := []slog.Attr{
		slog.String("consumer", l.cfg.Name), slog.String("id", e.delivery.ID), slog.Int("attempt", e.attempt), slog.Any("reason", reason),
	}
	if reason == nil {
		return attrs
	}
	return append(attrs, slog.Any("stack", stackOf{reason}))
}

// stackOf is the stack of a sealed error. Its text is made by who writes it down; without a stack the
// attribute is left out.
type stackOf struct{ reason error }

// LogValue implements slog.LogValuer.
func (s stackOf) LogValue() slog.Value {
	if stack := actor.Stack(s.reason); stack != "" {
		return slog.StringValue(stack)
	}
	return slog.GroupValue()
}

// logBroken logs that there is no session: as an error if there has never been one, because then it may be
// a mistake that waiting does not mend. The back-off limits how often.
func (l *ledger) logBroken(kind EventKind, reason error) {
	level := slog.LevelWarn
	if !l.instance.opened.Load() {
		level = slog.LevelError
	}
	l.cfg.Logger.Log(context.Background(), level, "gentask: no session",
		"consumer", l.cfg.Name, "event", kind.String(), "error", reason, "held", l.held.len())
}

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

// putOff leaves the next session for later.
func (l *ledger) putOff(reason error) {
	l.lastError = reason
	l.logBroken(EventOpenFailed, reason)
	l.emit(Event{Kind: EventOpenFailed, Reason: reason})
	l.publish()
	l.failures++
	sys, self := l.sys, l.self
	time.AfterFunc(l.cfg.Reconnect.delay(l.failures, l.cfg.random), func() { actor.Notify(sys, self, &reopen{}) })
}
