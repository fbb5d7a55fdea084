package dashboard_test

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
)

// TestRedact_ComesBeforeAnythingIsShown: bodies, headers, reasons and stacks.
func TestRedact_ComesBeforeAnythingIsShown(t *testing.T) {
	w, q := dead(t, func(c *dashboard.Config) {
		c.Redact = func(name string, body []byte, headers map[string]string) ([]byte, map[string]string) {
			headers[queue.HeaderReason] = "hidden reason of " + name // its own copy
			clear(body)
			delete(headers, queue.HeaderLog)
			return []byte("hidden body"), headers
		}
	})
	list := w.get("/letters?queue=dead")
	page := w.get("/" + links(list, "letter?")[0])
	for _, p := range []string{list, page} {
		require.NotContains(t, p, "boom")
		require.NotContains(t, p, "secret")
		require.Contains(t, p, "hidden reason of dead")
	}
	require.Contains(t, page, "hidden body")
	require.Contains(t, w.get("/letters?queue=dead&reason=boom"), "No letter matches", "a filter sees no more than the page")
	require.Equal(t, "secret", string(q.DeadLetters()[0].Body))
	require.Equal(t, "boom", q.DeadLetters()[0].Headers[queue.HeaderReason])
}

// TestRedact_ThatPanics shows nothing of the letter, which can be re-driven all the same.
func TestRedact_ThatPanics(t *testing.T) {
	w, _ := dead(t, func(c *dashboard.Config) {
		c.Redact = func(string, []byte, map[string]string) ([]byte, map[string]string) { panic("bug") }
	})
	list := w.get("/letters?queue=dead")
	page := w.get("/" + links(list, "letter?")[0])
	for _, p := range []string{list, page} {
		require.NotContains(t, p, "boom")
		require.NotContains(t, p, "secret")
		require.Contains(t, p, "Config.Redact has failed")
	}
	require.Positive(t, w.Hooks()["Config.Redact"].Failed)
	require.Contains(t, w.get("/bulk?queue=dead"), "<b>4</b>")
}

// TestAuthorAndAudit_ThatPanic stop no action.
func TestAuthorAndAudit_ThatPanic(t *testing.T) {
	w := newWorld(t, "emails", func(c *dashboard.Config) {
		c.Author = func(*http.Request) string { panic("bug") }
		c.Audit = func(dashboard.Action) { panic("bug") }
	})
	require.Contains(t, w.act(of("queue", "emails"), "do", "pause"), "1 consumer follows")
	require.Equal(t, "unknown (192.0.2.1)", w.consumer.Health().Overrides.Paused.By)
	require.Equal(t, 1, w.Hooks()["Config.Author"].Failed)
	require.Equal(t, 1, w.Hooks()["Config.Audit"].Failed)
}

// TestAuthor_IsCut, so that a command takes it.
func TestAuthor_IsCut(t *testing.T) {
	w := newWorld(t, "emails", func(c *dashboard.Config) {
		c.Author = func(*http.Request) string { return strings.Repeat("é", 10_000) }
	})
	require.Contains(t, w.act(of("queue", "emails"), "do", "pause", "reason", strings.Repeat("é", 9_000)), "1 consumer follows")
}

// TestLogger_HasEachAction, and those that were refused.
func TestLogger_HasEachAction(t *testing.T) {
	var log logbook
	w := newWorld(t, "emails", func(c *dashboard.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.act(of("queue", "emails"), "do", "pause", "reason", "a pause")
	w.act(of("queue", "emails"), "do", "rate", "value", "x")
	w.do(w.request(http.MethodPost, "/action?queue=emails", "do=pause"))
	require.NoError(t, w.Dashboard.Close())
	got := log.String()
	require.Contains(t, got, `level=INFO msg="dashboard: action" author=ana action=pause result="1 consumer follows" queue=emails reason="a pause"`)
	require.Contains(t, got, `level=WARN msg="dashboard: action failed" author=ana action=rate`)
	require.Contains(t, got, `level=WARN msg="dashboard: action refused"`)
}

// logbook keeps what is written to it.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
