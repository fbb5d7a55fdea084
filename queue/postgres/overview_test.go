package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// TestQueues: a monitor sees every queue that has messages, letters or sessions.
func TestQueues(t *testing.T) {
	b := newBroker(t, url(), postgres.Config{Schema: newSchema(t)})
	none, err := b.Queues(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, none)

	publish := func(name string, msgs ...queue.Message) {
		require.NoError(t, b.Queue(name).Publish(t.Context(), msgs...))
	}
	publish("a/delayed", queue.Message{NotBefore: time.Now().Add(time.Hour)})
	publish("a/waits", queue.Message{}, queue.Message{Priority: 9}, queue.Message{NotBefore: time.Now().Add(time.Hour)})
	publish("b/busy", queue.Message{}, queue.Message{}, queue.Message{})
	s := open(t, b.Queue("b/busy"), 2)
	d := receive(t, s)
	receive(t, s)
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter}}))

	all, err := b.Queues(t.Context(), "")
	require.NoError(t, err)
	for i := range all {
		require.Equal(t, all[i].Name != "a/delayed", all[i].Oldest > 0, all[i].Name)
		all[i].Oldest = 0
	}
	// The third message was claimed when the first was settled, or waits.
	require.Equal(t, 2, all[2].Waiting+all[2].Held)
	all[2].Waiting, all[2].Held = 0, 0
	require.Equal(t, []postgres.QueueStats{
		{Name: "a/delayed"}, {Name: "a/waits", Waiting: 2}, {Name: "b/busy", DeadLettered: 1},
	}, all)
	for name, waits := range map[string]bool{"a/waits": true, "a/delayed": false, "a": false} {
		age, err := b.Queue(name).OldestAge(t.Context())
		require.NoError(t, err)
		require.Equal(t, waits, age > 0, name)
	}
	some, err := b.Queues(t.Context(), "b/")
	require.NoError(t, err)
	require.Len(t, some, 1)
}
