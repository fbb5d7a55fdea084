package nats_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// streams returns the names of all streams at a server.
func streams(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	names := []string{}
	list := js.StreamNames(t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	require.NoError(t, list.Err())
	return names
}

// TestDelete leaves nothing of the queue, ends its sessions, and leaves its neighbours alone. The
// queue can be used again.
func TestDelete(t *testing.T) {
	url := brokertest.OwnNATS(t)
	b, js := newBroker(t, url, nats.Config{}), bare(t, url)
	q, other := b.Queue("emails"), b.Queue("emails-2")
	require.NoError(t, q.Delete(t.Context()), "there is none")
	require.Empty(t, streams(t, js))

	require.NoError(t, other.Publish(t.Context(), queue.Message{ID: "other"}))
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a", UniqueKey: "k"}, queue.Message{ID: "b"}))
	s := newSession(t, q, 1)
	settle(t, s, queue.DeadLetter, receive(t, s))
	held := receive(t, s)
	require.ElementsMatch(t, []string{"emails", "emails-dead", "emails-keys", "emails-2"}, streams(t, js))

	require.NoError(t, q.Delete(t.Context()))
	require.Equal(t, []string{"emails-2"}, streams(t, js))
	_ = s.Settle(soon(t), []queue.Settlement{{Delivery: held, Disposition: queue.Ack}}) // its message is gone
	_, err := s.Receive(soon(t))
	require.ErrorIs(t, err, queue.ErrSessionLost)

	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "c", UniqueKey: "k"}))
	d := receive(t, newSession(t, q, 1))
	require.Equal(t, []any{"c", 1}, []any{d.Message.ID, d.Attempt}, "the key is free again")
	stats, err := q.Inspect(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.DeadLettered)
	require.NoError(t, q.Delete(t.Context()))
	require.NoError(t, q.Delete(t.Context()))
	left, err := other.Inspect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, left.Ready)
}

// TestDelete_LeavesForeignStreams alone, and then deletes no stream at all.
func TestDelete_LeavesForeignStreams(t *testing.T) {
	for suffix, config := range map[string]jetstream.StreamConfig{
		"":          {Retention: jetstream.LimitsPolicy},
		"-dead":     {Retention: jetstream.WorkQueuePolicy, Subjects: []string{"elsewhere"}},
		"-suspects": {Retention: jetstream.InterestPolicy},
		"-keys":     {Retention: jetstream.WorkQueuePolicy}, // a queue of that name
	} {
		url := brokertest.OwnNATS(t)
		b, js := newBroker(t, url, nats.Config{}), bare(t, url)
		if suffix != "" {
			require.NoError(t, b.Queue("emails").Publish(t.Context(), queue.Message{}))
		}
		config.Name = "emails" + suffix
		_, err := js.CreateStream(t.Context(), config)
		require.NoError(t, err)
		before := streams(t, js)
		err = b.Queue("emails").Delete(t.Context())
		var mismatch *nats.MismatchError
		require.ErrorAs(t, err, &mismatch, suffix)
		require.Equal(t, config.Name, mismatch.Name)
		require.ElementsMatch(t, before, streams(t, js))
	}
	require.ErrorIs(t, newBroker(t, brokertest.OwnNATS(t), nats.Config{}).Queue("a.b").Delete(t.Context()), queue.ErrConfig)
}
