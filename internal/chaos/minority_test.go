package chaos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
)

// TestChaos_Minority: two of three nodes are killed -9, for a while. A classic queue on the third
// node is consumed all the time, dead letters included. A quorum queue is without a leader, until
// one of the nodes is back.
func TestChaos_Minority(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	r, err := StartRabbitMQ(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for _, kind := range []Kind{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			tr := NewTrial(t, "2 of 3 nodes killed -9 for a while", kind, r.URL(2), r.URL(2))
			tr.Settle()
			tr.Work = 50 * time.Millisecond // until the nodes are back
			tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
			for range 2 {
				tr.Publish(3000)
				tr.Ran(100)
				tr.Published()
				tr.Strikes()
				r.Kill(0)
				r.Kill(1)
				if kind == Classic {
					tr.Ran(300)
				}
				pause(nil, 3*time.Second)
				require.NoError(t, errors.Join(r.launch(r.nodes[0]), r.launch(r.nodes[1]), r.Start(0), r.Start(1)))
				tr.Eventually("the queue is there", tr.answers)
				tr.Struck()
			}
			row := tr.Finish(2)
			if kind == Classic {
				require.Empty(t, tr.Events(gentask.EventSessionLost))
			}
			require.LessOrEqual(t, row.Resumed, soon)
			require.NoError(t, table.Add(row))
		})
	}
}

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
