package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestChaos_RabbitMQCluster: three nodes with a quorum queue, and the node that consumers are connected to is killed -9. They reach the cluster
// by way of an address that then leads to another node, as with a load balancer. In the short form one cluster of JetStream stands for both.
func TestChaos_RabbitMQCluster(t *testing.T) {
	if !full {
		t.Log("part of make chaos")
		return
	}
	r, err := StartRabbitMQ(3)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	p := newProxy(t, r.URL(0))
	tr := NewTrial(t, "3 nodes, the consumers' node killed -9", Quorum, p.URL(), r.URL(2))
	tr.Settle()
	nodeKilled(tr, p, 2,
		func(i int) { r.Kill(i) },
		func(i int) error { return r.Start(i) },
		r.URL)
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
	nodeKilled(tr, p, scaled(1, 2),
		func(i int) { j.Kill(i) },
		func(i int) error { return j.Start(i) },
		j.URL)
}

// unanswered is how long a question may be under way that went to the old leader: nobody answers it.
const unanswered = Span(5 * time.Second)

// nodeKilled kills the node that the proxy leads to, and leads it to the other one of the first two; the third node stays.
func nodeKilled(tr *Trial, p *Proxy, times int, kill func(int), start func(int) error, url func(int) string) {
	tr.Helper()
	tr.Work = 5 * time.Millisecond
	jobs := scaled(1000, 4000)
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	for i := range times {
		tr.Publish(jobs) // each time: a node takes longer to start than the jobs to run
		tr.Ran(jobs / 10)
		kill(i % 2)
		require.NoError(tr, p.Redirect(url((i+1)%2)))
		tr.Eventually("the queue has a leader", tr.answers)
		tr.Struck()
		require.NoError(tr, start(i%2))
	}
	row := tr.Finish(2)
	require.LessOrEqual(tr, row.Resumed, soon+unanswered)
	require.NoError(tr, table.Add(row))
}
