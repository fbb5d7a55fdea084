package nats_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestQueues_AndNoOtherStreams are listed, and a look makes none.
func TestQueues_AndNoOtherStreams(t *testing.T) {
	url := brokertest.OwnNATS(t)
	b := newBroker(t, url, nats.Config{})
	names, err := b.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)

	require.NoError(t, b.Queue("reports").Publish(t.Context(), queue.Message{UniqueKey: "k"}))
	require.NoError(t, b.Queue("lone-dead").Publish(t.Context(), queue.Message{}))
	s, err := b.Queue("emails").Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	defer s.Close(t.Context())
	_, err = b.Store(t.Context(), "fleet")
	require.NoError(t, err)
	_, err = bare(t, url).CreateStream(t.Context(), jetstream.StreamConfig{Name: "foreign", Subjects: []string{"other"}})
	require.NoError(t, err)

	names, err = b.Queues(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"emails", "lone-dead", "reports"}, names)
}

// TestPeek shows what a queue has, also what a session holds, and takes nothing.
func TestPeek(t *testing.T) {
	b := newBroker(t, brokertest.OwnNATS(t), nats.Config{})
	q := b.Queue("emails")
	none, err := q.Peek(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, none)
	names, err := b.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, names, "a look has made a queue")

	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a", Body: []byte("x"), Headers: map[string]string{"h": "1"}},
		queue.Message{ID: "b"}, queue.Message{ID: "c"}))
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	defer s.Close(t.Context())
	d, err := s.Receive(t.Context())
	require.NoError(t, err)
	for range 2 {
		all, err := q.Peek(t.Context(), 2)
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, []string{"a", "b"}, []string{all[0].ID, all[1].ID})
		require.Equal(t, "x", string(all[0].Body))
		require.Equal(t, "1", all[0].Headers["h"])
	}
	require.Equal(t, 1, d.Attempt)
	none, err = q.Peek(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = b.Queue("a.b").Peek(t.Context(), 1)
	require.ErrorIs(t, err, queue.ErrConfig)
}
