package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/queue/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is what the service logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func capture(t *testing.T) *logged {
	t.Helper()
	l, before := &logged{}, slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(l, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

// started is a service that runs.
type started struct {
	url   string
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, dir string) *started {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	s := &started{url: "http://" + listener.Addr().String(), stop: stop, ended: make(chan error, 1)}
	go func() { s.ended <- run(ctx, dir, listener) }()
	require.Eventually(t, func() bool {
		status, _ := s.ask(t, http.MethodGet, "/readyz", "", "")
		return status == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	return s
}

func (s *started) ask(t *testing.T, method, path, body, key string) (status int, answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Close = true
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_ = json.Unmarshal(text, &answer) // errors are no JSON
	return response.StatusCode, answer
}

// A request that was answered is a job that is done, once, however often it was repeated; what
// can't be done is a dead letter, and logged.
func TestWhatWasAcceptedIsDone(t *testing.T) {
	log, dir := capture(t), t.TempDir()
	s := start(t, dir)
	for _, duplicate := range []bool{false, true} {
		status, answer := s.ask(t, http.MethodPost, "/emails", `{"to": "anna@example.com"}`, "welcome-anna")
		require.Equal(t, http.StatusAccepted, status)
		require.Equal(t, duplicate, answer["duplicate"])
		require.NotEmpty(t, answer["id"])
	}
	status, _ := s.ask(t, http.MethodPost, "/emails", `{}`, "")
	require.Equal(t, http.StatusAccepted, status)
	status, _ = s.ask(t, http.MethodPost, "/emails", `no JSON`, "")
	require.Equal(t, http.StatusBadRequest, status)
	status, answer := s.ask(t, http.MethodGet, "/livez", "", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "emails", answer["consumers"].([]any)[0].(map[string]any)["name"])
	require.Eventually(t, func() bool { return log.count("no address") > 0 }, time.Minute, 10*time.Millisecond)
	s.stop()
	require.NoError(t, <-s.ended)
	require.Equal(t, 1, log.count(`"msg":"sent","to":"anna@example.com"`))

	broker, err := embedded.Open(dir)
	require.NoError(t, err)
	stats, err := broker.Queue("emails").Inspect(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Left())
	require.Equal(t, 1, stats.DeadLettered)
	require.NoError(t, broker.Close())
}

// The next service on the directory does what was published while no worker ran.
func TestTheNextServiceGoesOn(t *testing.T) {
	log, dir := capture(t), t.TempDir()
	broker, err := embedded.Open(dir)
	require.NoError(t, err)
	_, err = Emails.Publish(t.Context(), broker.Queue("emails"), Email{To: "bert@example.com"})
	require.NoError(t, err)
	require.NoError(t, broker.Close())
	s := start(t, dir)
	require.Eventually(t, func() bool { return log.count("bert@example.com") == 1 }, time.Minute, 10*time.Millisecond)
	s.stop()
	require.NoError(t, <-s.ended)
}

// A service that can't have its broker ends with the reason, and leaves the address free.
func TestADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	broker, err := embedded.Open(dir)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, run(t.Context(), dir, listener), embedded.ErrInUse)
	again, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.NoError(t, broker.Close())
}
