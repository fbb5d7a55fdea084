package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/cmd/gentask/internal/top"
	"github.com/gentask/gentask/fleet"
)

// TestSnapshotOf sums up the consumers of each queue and of each node.
func TestSnapshotOf(t *testing.T) {
	fine := fleet.ConsumerStatus{
		Queue: "emails", State: "consuming", Healthy: true, Alive: true, Running: 2, Concurrency: 4,
		Recent: fleet.Counts{Done: 50, Retried: 3, DeadLettered: 2}, Latency: &fleet.Latency{RunTime: fleet.Histogram{0, 0, 0, 10}},
		Jobs: []fleet.JobStatus{{ID: "short", Attempt: 1, Age: time.Second}, {ID: "long", Attempt: 2, Age: time.Hour}}, JobsCount: 5,
	}
	starved, dead, standby := fine, fine, fine
	starved.Starved, starved.State, starved.Jobs, starved.JobsCount = true, "paused", nil, 0
	dead.Queue, dead.Alive, dead.Latency = "reports", false, nil
	standby.Queue, standby.Standby = "reports", "another consumer holds it"
	at := time.Now()
	nodes := []fleet.NodeStatus{
		{Node: "a", Version: "1", Started: at.Add(-time.Minute), At: at, Consumers: []fleet.ConsumerStatus{fine, standby}},
		{Node: "b", At: at, Started: at, Consumers: []fleet.ConsumerStatus{starved, dead}},
		{Node: "c", At: at, Started: at},
	}
	s := snapshotOf(nodes, "", "")
	require.Equal(t, []top.Node{
		{
			Name: "a", Version: "1", Up: time.Minute, Running: 4, Concurrency: 8, Rates: top.Rates{Done: 10, Failed: 1},
			Note: top.Note{Text: "reports: standby: another consumer holds it", Colour: terminal.Fair},
		},
		{
			Name: "b", Running: 4, Concurrency: 8, Rates: top.Rates{Done: 10, Failed: 1},
			Note: top.Note{Text: "reports: not alive: restart the process. ", Colour: terminal.Bad},
		},
		{Name: "c", Note: top.Note{Text: "no consumers", Colour: terminal.Faint}},
	}, s.Nodes)
	require.Len(t, s.Queues, 2)
	emails, reports := s.Queues[0], s.Queues[1]
	require.Equal(t, top.Note{Text: "paused, starved, consuming", Colour: terminal.Fair}, emails.Note)
	require.Equal(t, []any{4, 10.0, 1.0, true, top.Unknown},
		[]any{emails.Running, emails.Done, emails.Failed, emails.Timed, emails.Waiting})
	require.InDelta(t, 6*time.Millisecond, emails.P50, float64(2*time.Millisecond))
	require.Equal(t, top.Note{Text: "not alive, standby, consuming", Colour: terminal.Bad}, reports.Note)
	require.Equal(t, "long", s.Jobs[0].ID)
	require.Equal(t, 9, s.JobsLeft)

	s = snapshotOf(nodes, "emails", "a")
	require.Len(t, s.Nodes, 1)
	require.Equal(t, 2, s.Nodes[0].Running)
	require.Len(t, s.Queues, 1)
	require.Len(t, s.Jobs, 2)
	require.Empty(t, snapshotOf(nodes, "emails", "c").Nodes)
}
