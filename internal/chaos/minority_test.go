package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
)

// TestMinorityOfNodes: two of three nodes are killed, and a classic queue is on the third. No queue
// can be declared or deleted then, but this one is there: a program that starts consumes it,
// settles, and publishes to it.
func TestMinorityOfNodes(t *testing.T) {
	if programs, err := brokertest.FindRabbitMQPrograms(""); !full && (err != nil || programs.Version() < "4") {
		t.Log("part of make chaos: Mnesia asks for no majority")
		return
	}
	r, err := StartRabbitMQ(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before, err := Open(Classic, r.URL(2), "minority")
	require.NoError(t, err)
	s, err := before.Source.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	require.NoError(t, s.Close(ctx))
	require.NoError(t, before.Close())
	r.Kill(0)
	r.Kill(1)

	e, err := Open(Classic, r.URL(2), "minority")
	require.NoError(t, err)
	s, err = e.Source.Open(ctx, queue.Options{Prefetch: 3}) // it is empty, and may be new for all that the driver knows
	require.NoError(t, err)
	require.NoError(t, e.Publish(ctx, message(1), message(2), message(3)))
	for range 3 {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		disposition := queue.Ack
		if d.ID == message(1).ID {
			disposition = queue.DeadLetter
		}
		require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: disposition}}))
	}
	require.NoError(t, s.Close(ctx))
	letters, err := e.DeadLetters(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]int{message(1).ID: 1}, letters)
	require.NoError(t, e.Close())
}
