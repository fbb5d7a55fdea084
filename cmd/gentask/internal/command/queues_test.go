package command_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

func TestQueues_Counts(t *testing.T) {
	w := newWorld(t, "emails", "reports")
	require.NoError(t, w.queues["emails"].Publish(t.Context(), queue.Message{}, queue.Message{}))
	w.bury("reports", "r1", "boom", "")
	require.Equal(t, "emails\t2\t0\t0\t0\t0\nreports\t0\t0\t0\t1\t0\n", w.must("queues"))
	require.Equal(t, "reports\t0\t0\t0\t1\t0\n", w.must("queues", "reports"))
	require.Equal(t, []map[string]any{{
		"queue": "emails", "ready": 2.0, "delayed": 0.0, "held": 0.0, "dead": 0.0, "consumers": 0.0,
	}}, objects(t, w.must("--json", "queues", "emails")))
}

// TestQueues_ThatAreMissing don't hide the others.
func TestQueues_ThatAreMissing(t *testing.T) {
	w := newWorld(t, "emails")
	o := w.call("", "queues", "typo", "emails")
	require.Equal(t, command.ExitMissing, o.code)
	require.Contains(t, o.out, "emails\t0")
	require.Contains(t, o.err, `no such queue: "typo"`)
}

// TestQueues_OfTheFleet are shown where the broker tells no names.
func TestQueues_OfTheFleet(t *testing.T) {
	w := newWorld(t, "emails", "reports")
	w.list = false
	require.Contains(t, w.call("", "queues").err, "name the queues")
	consumer, err := gentask.New(w.queues["emails"], nothing, gentask.Config{})
	require.NoError(t, err)
	node, err := fleet.Join(t.Context(), w.Broker, fleet.Config{}, consumer)
	require.NoError(t, err)
	defer func() { require.NoError(t, node.Close()) }()
	require.Equal(t, "emails\t0\t0\t0\t0\t0\n", w.must("queues"))
}
