package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// serverLog forwards the server's log, and keeps the first fatal line, because the server reports
// nowhere else why it can't start.
type serverLog struct {
	to *slog.Logger

	// lock is here because the running server references its log. Otherwise the garbage collector,
	// which closes files, would release the lock of a Broker that is no longer referenced.
	lock *os.File

	mu    sync.Mutex
	fatal string
}

func newServerLog(to *slog.Logger, lock *os.File) *serverLog {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &serverLog{to: to, lock: lock}
}

func (l *serverLog) Noticef(format string, v ...any) { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.to.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.to.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.to.Debug(fmt.Sprintf(format, v...)) }

func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.to.Error(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = text
	}
}

// failure returns the first fatal line, or "".
func (l *serverLog) failure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
