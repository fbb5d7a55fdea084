package chaos

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// TestChaos_RabbitMQCluster: three nodes, one of which is killed -9. They reach the cluster by way
// of an address that then leads to another node, as with a load balancer. In the short form one
// cluster of JetStream stands for both.
func TestChaos_RabbitMQCluster(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	r, err := StartRabbitMQ(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	t.Run("the consumers' node, quorum queue", func(t *testing.T) {
		p := newProxy(t, r.URL(0))
		tr := NewTrial(t, "3 nodes, the consumers' node killed -9", Quorum, p.URL(), r.URL(2))
		tr.Settle()
		nodeKilled(tr, p, 2,
			func(i int) { r.Kill(i) },
			func(i int) error { return r.Start(i) },
			r.URL, tr.answers)
	})
	t.Run("the node of a classic queue", func(t *testing.T) { classicNodeGone(t, r) })
}

// classicNodeGone: a classic queue lives on one node. When that is killed, consumers on other nodes
// are cancelled, and a queue that can't be reached is not a mistake in the configuration. They ask
// about twice a second until the node is back, report why they don't consume, and go on with the
// messages that were there.
func classicNodeGone(t *testing.T, r *RabbitMQ) {
	t.Helper()
	p := newProxy(t, r.URL(0)) // The queue is made where it is first used.
	tr := NewTrial(t, "3 nodes, the node of a classic queue killed -9", Classic, r.URL(1), p.URL())
	tr.Settle()
	require.NoError(t, p.Redirect(r.URL(1)))
	p.Cut()
	tr.Work = 5 * time.Millisecond
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for i := range 2 {
		tr.Publish(3000)
		tr.Ran(300)
		tr.Strikes()
		r.Kill(0)
		if i == 0 { // also one that begins now waits for the node, and doesn't give up
			tr.Consume(1, gentask.Config{Concurrency: 4, Prefetch: 8})
		}
		tr.Eventually("all have noticed", func() bool { return consuming(tr) == 0 })
		away(t, tr, r.Before(4, 3), 4*time.Second)
		require.NoError(t, r.Start(0))
		tr.Eventually("the queue is there", tr.answers)
		tr.Struck()
		tr.Eventually("all consume again", func() bool { return consuming(tr) == 3 })
	}
	row := tr.Finish(3)
	require.LessOrEqual(t, row.Resumed, soon)
	require.NoError(t, table.Add(row))
}

// away: for a while the queue stays away. No consumer hammers the broker, and each reports why it
// waits.
func away(t *testing.T, tr *Trial, old bool, d time.Duration) {
	t.Helper()
	before, start := len(tr.Events(gentask.EventOpenFailed)), time.Now()
	tr.Eventually("each reports why it waits", func() bool {
		for _, c := range tr.Consumers() {
			h := c.Health()
			known := errors.Is(h.Error, queue.ErrUnavailable) && strings.Contains(h.Error.Error(), "down or inaccessible")
			if !old { // which doesn't answer while it looks for the node
				known = known || errors.Is(h.Error, context.DeadlineExceeded)
			}
			if h.State != gentask.Connecting || !known {
				return false
			}
		}
		return true
	})
	pause(nil, d)
	attempts := len(tr.Events(gentask.EventOpenFailed)) - before
	require.LessOrEqual(t, attempts, len(tr.Consumers())*(int(time.Since(start)/(400*time.Millisecond))+3))
	require.Positive(t, attempts)
}

// TestChaos_JetStreamCluster is the same with three servers and a stream of three replicas.
func TestChaos_JetStreamCluster(t *testing.T) {
	j, err := StartJetStream(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	p := newProxy(t, j.URL(0))
	tr := NewTrial(t, "3 servers, the consumers' server killed -9", Stream3, p.URL(), j.URL(2))
	tr.Settle()
	tr.Forgetful = true
	nodeKilled(tr, p, scaled(1, 3),
		func(i int) { j.Kill(i) },
		func(i int) error { return j.Start(i) },
		j.URL, func() bool { _, err := j.Leader(tr.Queue); return err == nil })
}

// TestChaos_JetStreamLeader: the server that leads the queue is killed -9, and its consumers are
// connected to another one: the only sign is that nothing comes.
func TestChaos_JetStreamLeader(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	j, err := StartJetStream(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	p := newProxy(t, j.URL(0))
	tr := NewTrial(t, "3 servers, the queue's leader killed -9", Stream3, p.URL(), j.URLs())
	tr.Settle()
	tr.Work, tr.Forgetful = 5*time.Millisecond, true
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for range 3 {
		tr.Publish(3000)
		tr.Ran(400)
		leader, err := j.Leader(tr.Queue)
		require.NoError(t, err)
		require.NoError(t, p.Redirect(j.URL((leader+1)%3)))
		p.Cut() // so that the consumers are there when it strikes
		tr.Ran(200)
		tr.Strikes()
		j.Kill(leader)
		tr.Publish(1000) // earlier messages may have run already
		tr.Eventually("the queue has a leader", func() bool { now, err := j.Leader(tr.Queue); return err == nil && now != leader })
		tr.Struck()
		require.NoError(t, j.Start(leader))
	}
	row := tr.Finish(2)
	require.LessOrEqual(t, row.Resumed, soon)
	require.NoError(t, table.Add(row))
}

// nodeKilled kills the node that the proxy leads to, and leads it to the other one of the first
// two; the third node stays. A cluster can be reached again when the queue has a leader: how long
// that takes is the servers' affair, and what comes then is ours.
func nodeKilled(tr *Trial, p *Proxy, times int, kill func(int), start func(int) error, url func(int) string, led func() bool) {
	tr.Helper()
	tr.Work = 5 * time.Millisecond
	jobs := scaled(1000, 4000)
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for i := range times {
		tr.Publish(jobs) // each time: a node takes longer to start than the jobs to run
		tr.Ran(jobs / 10)
		tr.Strikes()
		kill(i % 2)
		require.NoError(tr, p.Redirect(url((i+1)%2)))
		tr.Eventually("the queue has a leader", led)
		tr.Struck()
		require.NoError(tr, start(i%2))
	}
	row := tr.Finish(2)
	require.LessOrEqual(tr, row.Resumed, soon)
	require.NoError(tr, table.Add(row))
}
