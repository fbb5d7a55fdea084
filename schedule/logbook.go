package schedule

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// These limit the cost of a handler that does not return.
const (
	mostLines = 256             // that wait to be written
	lastLines = 5 * time.Second // for which Run waits for them at its end
)

// logbook writes log lines on a goroutine of its own, so that a handler that panics or hangs costs
// lines, and never a firing.
type logbook struct {
	lines  chan func()
	ended  chan struct{}
	closed chan struct{}
	lost   atomic.Int64
}

// newLogbook starts a logbook, and returns it with the logger that writes to it.
func newLogbook(to *slog.Logger) (*logbook, *slog.Logger) {
	b := &logbook{lines: make(chan func(), mostLines), ended: make(chan struct{}), closed: make(chan struct{})}
	go b.write()
	return b, slog.New(&handler{book: b, to: to.Handler})
}

// write writes lines until the logbook is closed and all are written.
func (b *logbook) write() {
	done := false
	defer func() {
		if done {
			close(b.ended)
			return
		}
		go b.write() // a handler has called runtime.Goexit
	}()
	for {
		select {
		case line := <-b.lines:
			line()
		case <-b.closed:
			for len(b.lines) > 0 {
				(<-b.lines)()
			}
			done = true
			return
		}
	}
}

// close ends the logbook when its lines are written, or after a limit of time.
func (b *logbook) close() {
	close(b.closed)
	patience := time.NewTimer(lastLines)
	defer patience.Stop()
	select {
	case <-b.ended:
	case <-patience.C:
	}
}

// handler is the slog.Handler of a logbook.
type handler struct {
	book *logbook
	to   func() slog.Handler
}

// Enabled returns true: the handler behind it is asked when the line is written.
func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs adds attributes to each line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{book: h.book, to: func() slog.Handler { return h.to().WithAttrs(attrs) }}
}

// WithGroup opens a group in each line.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{book: h.book, to: func() slog.Handler { return h.to().WithGroup(name) }}
}

// Handle queues a line. When too many wait already, the line is lost, and the next one has the
// number of lost lines.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	lost := h.book.lost.Swap(0)
	if lost > 0 {
		r.AddAttrs(slog.Int64("lines lost", lost))
	}
	line := func() {
		defer func() { _ = recover() }() // the fault of the handler: there is no place to log it
		if to := h.to(); to.Enabled(ctx, r.Level) {
			_ = to.Handle(ctx, r)
		}
	}
	select {
	case h.book.lines <- line:
	default:
		h.book.lost.Add(lost + 1)
	}
	return nil
}
