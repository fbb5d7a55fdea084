package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestChaos_Drain: a cluster is upgraded node by node. Each is drained, stopped, started and
// revived in its turn, while the consumers reach the cluster by way of an address that leads to
// another node then.
func TestChaos_Drain(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	r, err := StartRabbitMQ(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	p := newProxy(t, r.URL(0))
	tr := NewTrial(t, "3 nodes, each drained, restarted and revived in turn", Quorum, p.URL(), r.URL(0))
	directs := []*Endpoint{tr.direct}
	for i := 1; i < 3; i++ {
		e, err := Open(Quorum, r.URL(i), tr.Queue)
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		directs = append(directs, e)
	}
	tr.Settle()
	tr.Work = 50 * time.Millisecond // until the node is back
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for i := range 3 {
		tr.Publish(2000)
		tr.Ran(100)
		tr.Published()
		tr.direct = directs[(i+1)%3] // also who publishes goes elsewhere
		require.NoError(t, p.Redirect(r.URL((i+1)%3)))
		tr.Strikes()
		require.NoError(t, r.Drain(i))
		tr.Eventually("the queue is there", tr.answers)
		tr.Struck()
		require.NoError(t, r.Stop(i))
		require.NoError(t, r.Start(i))
		require.NoError(t, r.Revive(i))
	}
	tr.direct = directs[0] // which the cleanup closes
	row := tr.Finish(2)
	require.LessOrEqual(t, row.Resumed, soon)
	require.NoError(t, table.Add(row))
}

// TestChaos_JetStreamLameDuck: the servers are upgraded one after the other. Each tells its clients
// to leave, hands over what it leads, and ends; then it is started again. Nobody waits for a
// connection to be closed: sessions end when they hold nothing more.
func TestChaos_JetStreamLameDuck(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	j, err := StartJetStream(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	tr := NewTrial(t, "3 servers, each ended in lame duck mode and started", Stream3, j.URLs(), j.URLs())
	tr.Settle()
	tr.Work = 5 * time.Millisecond
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for i := range 3 {
		tr.Publish(3000)
		tr.Ran(300)
		tr.Strikes()
		require.NoError(t, j.LameDuck(i))
		tr.Eventually("the queue has a leader", func() bool { _, err := j.Leader(tr.Queue); return err == nil })
		tr.Struck()
		require.NoError(t, j.Start(i))
	}
	row := tr.Finish(2)
	require.LessOrEqual(t, row.Resumed, soon)
	require.NoError(t, table.Add(row))
}
