package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
)

// serverLog forwards the server's log. It keeps the first fatal line and the first error of a
// write, because the server reports them nowhere else.
type serverLog struct {
	to     *slog.Logger
	failed func(error) // is called with each error of a write

	mu    sync.Mutex
	fatal string
	write error
}

func newServerLog(to *slog.Logger, failed func(error)) *serverLog {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &serverLog{to: to, failed: failed}
}

func (l *serverLog) Noticef(format string, v ...any) { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.to.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.to.Debug(fmt.Sprintf(format, v...)) }

// Errorf must not call the server, which may hold its locks.
func (l *serverLog) Errorf(format string, v ...any) {
	l.to.Error(fmt.Sprintf(format, v...))
	err := writeError(format, v)
	if err == nil {
		return
	}
	l.mu.Lock()
	if l.write == nil {
		l.write = err
	}
	l.mu.Unlock()
	l.failed(err)
}

// writeError returns the error among the values of a line about a file; nil if it is not about one.
// After an error of that kind the server writes to the stream no more, and publishers get no
// answer.
func writeError(format string, values []any) error {
	for _, v := range values {
		err, ok := v.(error)
		if !ok {
			continue
		}
		var path *fs.PathError
		if errors.As(err, &path) || strings.Contains(format, "ritical write error") {
			return err
		}
	}
	return nil
}

func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.to.Error(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = text
	}
}

// failure returns the first fatal line or error of a write, or "".
func (l *serverLog) failure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" && l.write != nil {
		return l.write.Error()
	}
	return l.fatal
}
