package nats_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// A key outlives its message, the server and the publisher: a message that was enqueued within the
// window, and is done, is not enqueued again.
func TestScenario33_UniqueKeyOutlivesTheServer(t *testing.T) {
	opts := server.Options{JetStream: true, StoreDir: t.TempDir()}
	const window = 6 * time.Second
	cfg := nats.Config{Duplicates: window}
	begin := time.Now()
	for round := range 2 {
		own := ownServer(t, opts)
		q := newBroker(t, own.ClientURL(), cfg).Queue("unique")
		s := newSession(t, q, 2)
		require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a", UniqueKey: "key"},
			queue.Message{ID: "b", UniqueKey: "key"}))
		if round == 0 {
			settle(t, s, queue.Ack, receive(t, s))
		}
		nothing(t, s, 100*time.Millisecond)
		if round == 1 {
			got, err := q.UniqueWindow(soon(t))
			require.NoError(t, err)
			require.Equal(t, window, got)
			<-time.After(time.Until(begin.Add(2 * window)))
			require.NoError(t, q.Publish(soon(t), queue.Message{ID: "c", UniqueKey: "key"}), "the window is over")
			require.Equal(t, "c", receive(t, s).ID)
		}
		require.NoError(t, s.Close(soon(t)))
		stop(own)
	}
}
