package gentask_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// inspector is a queue of a driver that knows only what it must.
type inspector struct {
	stats queue.Stats
	err   error
}

func (i inspector) Inspect(ctx context.Context) (queue.Stats, error) {
	if i.err != nil {
		return queue.Stats{}, i.err
	}
	return i.stats, ctx.Err()
}

func backlog(t *testing.T, queues ...queue.Inspector) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	gentask.BacklogHandler(queues...).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	return w.Code, w.Body.String()
}

// TestBacklogHandler: what waits is neither what is held nor what is delayed. An error is no
// backlog of zero.
func TestBacklogHandler(t *testing.T) {
	q := memory.New(memory.Config{Name: "jobs"})
	hour := time.Now().Add(time.Hour)
	require.NoError(t, q.Publish(t.Context(), queue.Message{}, queue.Message{}, queue.Message{},
		queue.Message{NotBefore: hour}, queue.Message{NotBefore: hour}))
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	_, err = s.Receive(t.Context())
	require.NoError(t, err)
	some := inspector{stats: queue.Stats{
		Ready: 5, Held: queue.CountUnknown, Delayed: queue.CountUnknown, DeadLettered: 2,
	}}
	status, body := backlog(t, q, some)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"ok": true, "waiting": 7, "queues": [
		{"name": "jobs", "waiting": 2, "held": 1, "delayed": 2, "dead_lettered": 0}, {"waiting": 5, "dead_lettered": 2}]}`, body)

	status, body = backlog(t, some, inspector{err: errors.New("broker is away")})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"ok": false, "waiting": 5, "queues": [
		{"waiting": 5, "dead_lettered": 2}, {"waiting": 0, "error": "broker is away"}]}`, body)

	status, body = backlog(t)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"ok": true, "waiting": 0, "queues": []}`, body)
}
