package command_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/queue"
)

// goesOn starts a command that goes on, and returns its lines, and a function that interrupts it
// and returns its exit code.
func (w *world) goesOn(args ...string) (lines <-chan string, interrupt func() int) {
	w.t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	out := make(chan string, 10_000)
	code := make(chan int, 1)
	go func() {
		code <- command.Main(ctx, command.Program{
			Args: append([]string{"gentask"}, args...), In: strings.NewReader(""), Out: writes(out), Err: io.Discard,
			Hurry: make(chan struct{}),
			Open:  func(context.Context, broker.Config) (broker.Broker, error) { return w, nil },
		})
	}()
	interrupt = sync.OnceValue(func() int { cancel(command.Interrupted()); return <-code })
	w.t.Cleanup(func() { interrupt() })
	return out, interrupt
}

// writes sends each write to a channel.
type writes chan string

func (w writes) Write(data []byte) (int, error) {
	select {
	case w <- string(data):
		return len(data), nil
	default:
		return 0, errors.New("full")
	}
}

// await returns when a line with a text has come.
func await(t *testing.T, lines <-chan string, want string) string {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, want) {
				return line
			}
		case <-late:
			t.Fatalf("no line with %q", want)
		}
	}
}

func TestTail(t *testing.T) {
	w := newWorld(t, "emails")
	consumer := w.join("emails", "node-1")
	plain, interrupt := w.goesOn("tail", "--queue", "emails", "--kind", "done")
	asJSON, _ := w.goesOn("--json", "tail", "--id", "\x1b[2Jm")
	all, _ := w.goesOn("tail")
	for _, lines := range []<-chan string{plain, asJSON, all} {
		await(t, lines, "node-1") // it sees what happens from now on
	}
	require.NoError(t, w.queues["emails"].Publish(t.Context(), queue.Message{ID: "\x1b[2Jm"}))
	require.Eventually(t, func() bool { return consumer.Health().Running == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, consumer.Cancel(t.Context(), "\x1b[2Jm"))
	require.Contains(t, await(t, plain, "done"), `emails done \x1b[2Jm attempt 1`)
	require.Contains(t, await(t, asJSON, "done"), `"id":"\u001b[2Jm"`)
	await(t, all, "received")
	require.Equal(t, command.ExitInterrupted, interrupt())
	o := w.call("", "tail", "--kind", "nonsense")
	require.Equal(t, command.ExitUsage, o.code)
	require.Contains(t, o.err, "received, started, done")
}

func TestJobs_Stacks(t *testing.T) {
	w := newWorld(t, "emails")
	w.join("emails", "node-1")
	require.NoError(t, w.queues["emails"].Publish(t.Context(), queue.Message{ID: "m1"}))
	require.Eventually(t, func() bool {
		o := w.must("jobs", "--stack")
		return strings.Contains(o, "m1 of emails on node-1, attempt 1") && strings.Contains(o, "steer_test.go")
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, "m1", objects(t, w.must("--json", "jobs", "--stack", "--node", "node-1"))[0]["id"])
	require.Contains(t, w.call("", "jobs", "--stack", "--queue", "another").err, "no task runs")
}

func TestSchedule_RunNow(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, command.ExitMissing, w.call("", "schedule", "run", "reports", "daily").code)
	w.must("schedule", "add", "reports", "daily", "@daily")
	require.Empty(t, w.must("schedule", "run", "reports", "daily"))
}

// TestUI answers with its token only, and only by its own name.
func TestUI(t *testing.T) {
	w := newWorld(t, "emails")
	w.bury("emails", "a", "boom", "")
	lines, interrupt := w.goesOn("ui", "--no-open")
	link := strings.TrimSpace(await(t, lines, "http://127.0.0.1:"))
	base, _, _ := strings.Cut(link, "?token=")

	get := func(c *http.Client, at, host string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		require.NoError(t, err)
		if host != "" {
			r.Host = host
		}
		answer, err := c.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	own, stranger := &http.Client{Jar: jar}, &http.Client{}
	defer own.CloseIdleConnections()
	defer stranger.CloseIdleConnections()
	for _, at := range []string{base, base + "?token=", base + "?token=wrong"} {
		code, _ := get(stranger, at, "")
		require.Equal(t, http.StatusForbidden, code, at)
	}
	code, _ := get(own, link, "evil.example.com")
	require.Equal(t, http.StatusMisdirectedRequest, code)
	code, page := get(own, link, "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, page, "emails")
	code, page = get(own, base, "")
	require.Equal(t, http.StatusOK, code, "the cookie is enough")
	require.NotContains(t, page, "token="+link[len(base)+7:])
	require.Equal(t, command.ExitDone, interrupt())
	require.Equal(t, command.ExitUsage, w.call("", "ui", "--port", "70000").code)
}
