package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// TestPeek shows what waits, by priority and time, and takes nothing.
func TestPeek(t *testing.T) {
	q := newBroker(t, url(), postgres.Config{Schema: newSchema(t)}).Queue("peeked")
	none, err := q.Peek(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, none)
	later := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	require.NoError(t, q.Publish(t.Context(),
		queue.Message{ID: "held"},
		queue.Message{ID: "later", NotBefore: later},
		queue.Message{ID: "first", Body: []byte("x"), Headers: map[string]string{"a": "b"}, ContentType: "text/plain"},
		queue.Message{ID: "urgent", Priority: 9, Properties: &queue.Properties{AppID: "app"}},
	))
	s := open(t, q, 1)
	require.Equal(t, "urgent", receive(t, s).ID)

	for range 2 {
		all, err := q.Peek(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, all, 3)
		require.Equal(t, []string{"held", "first", "later"}, []string{all[0].ID, all[1].ID, all[2].ID})
		require.Equal(t, "x", string(all[1].Body))
		require.Equal(t, map[string]string{"a": "b"}, all[1].Headers)
		require.Equal(t, "text/plain", all[1].ContentType)
		require.True(t, all[1].NotBefore.IsZero())
		require.True(t, later.Equal(all[2].NotBefore))
		require.WithinDuration(t, time.Now(), all[1].Time, time.Minute)
	}
	one, err := q.Peek(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, one, 1)
	none, err = q.Peek(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, none)
}
