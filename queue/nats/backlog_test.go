package nats_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestDelayedMessagesAreNoBacklog: messages that are due in an hour are ack-pending at the server,
// so that its lag counts them. What waits, as an autoscaler must see it, is zero.
func TestDelayedMessagesAreNoBacklog(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	begin(t, q, 4)
	for range 50 {
		require.NoError(t, q.Publish(soon(t), queue.Message{NotBefore: time.Now().Add(time.Hour)}))
	}
	var body struct {
		Waiting int
		Queues  []struct {
			Name string
			Held int
		}
	}
	until(t, "all were given back", func() bool {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		gentask.BacklogHandler(q).ServeHTTP(w, r)
		return w.Code == http.StatusOK && json.Unmarshal(w.Body.Bytes(), &body) == nil &&
			body.Waiting == 0 && body.Queues[0].Held == 50
	})
	require.Equal(t, q.Name(), body.Queues[0].Name)
}
