package gentask

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
)

// tail keeps the last lines that are written to it, [queue.MaxLog] bytes at most. Its zero value is
// empty. It is safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	lines []byte
}

// Write adds a line. It is the only caller's one call for a record.
func (t *tail) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(line)
	line = firstBytes(line, queue.MaxLog)
	if over := len(t.lines) + len(line) - queue.MaxLog; over > 0 {
		t.lines = append(t.lines[:0], t.lines[lineAfter(t.lines, over):]...)
	}
	t.lines = append(t.lines, line...)
	return n, nil
}

// text returns the lines, without the last line break.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSuffix(string(t.lines), "\n"), "\uFFFD")
}

// lineAfter returns the beginning of the first line at or after i.
func lineAfter(lines []byte, i int) int {
	for ; i < len(lines); i++ {
		if lines[i-1] == '\n' {
			return i
		}
	}
	return len(lines)
}

// firstBytes returns the first bytes of a line, at most limit, with no part of a character at the
// end, and a line break.
func firstBytes(line []byte, limit int) []byte {
	if len(line) <= limit {
		return line
	}
	end := limit - 1
	for end > 0 && !utf8.RuneStart(line[end]) {
		end--
	}
	cut := make([]byte, 0, limit)
	return append(append(cut, line[:end]...), '\n')
}

// tailHandler hands records to another handler and, as text, to a tail. It takes records at Info or
// above, and others if the other handler takes them.
type tailHandler struct {
	target slog.Handler
	text   slog.Handler
}

func newTailHandler(target slog.Handler, t *tail) *tailHandler {
	everything := &slog.HandlerOptions{Level: slog.Level(-1 << 30)}
	return &tailHandler{target: target, text: slog.NewTextHandler(t, everything)}
}

// Enabled implements slog.Handler.
func (h *tailHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.target.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *tailHandler) Handle(ctx context.Context, r slog.Record) error {
	_ = h.text.Handle(ctx, r.Clone()) // a tail takes everything
	if !h.target.Enabled(ctx, r.Level) {
		return nil
	}
	return h.target.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *tailHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tailHandler{target: h.target.WithAttrs(attrs), text: h.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *tailHandler) WithGroup(name string) slog.Handler {
	return &tailHandler{target: h.target.WithGroup(name), text: h.text.WithGroup(name)}
}
