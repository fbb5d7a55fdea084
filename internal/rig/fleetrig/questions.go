package fleetrig

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// sight is what a sequence of events has yielded.
type sight struct {
	mu     sync.Mutex
	joined map[string]int
	done   map[string]int // by the job's id
	faults []string
}

// watch follows the events of all nodes until ctx ends.
func (s *sight) watch(ctx context.Context, n *fleet.Node) {
	last := map[string]time.Time{}
	for r, err := range n.Events(ctx, fleet.EventFilter{}) {
		s.mu.Lock()
		switch {
		case err != nil: // the broker is away
		case r.Kind == fleet.KindNodeJoined:
			s.joined[r.Node]++
		case r.Kind == fleet.KindNodeLeft || r.Kind == fleet.KindMissed:
		case r.Time.Before(last[r.Instance]):
			s.faults = append(s.faults, fmt.Sprintf("%s of %s comes after a later event", r.Kind, r.Node))
		default:
			last[r.Instance] = r.Time
			if r.Kind == gentask.EventDone.String() {
				s.done[r.ID]++
			}
		}
		s.mu.Unlock()
	}
}

func (s *sight) has(joined, done int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.joined) >= joined && len(s.done) >= done
}

// questions: the tasks with their stacks, the events, and the times of jobs are there, fit, and are
// there again after a cut and after the server was killed. No event comes twice.
func (r *rig) questions() {
	const nodes, each = 3, 20
	release := make(chan struct{})
	for i := range nodes {
		r.asked(fmt.Sprint("node", i), release)
	}
	line := r.ConnectLine()
	tool, err := fleet.Join(r.within(), line.Broker, fleet.Config{Node: "tool"})
	require.NoError(r, err)
	ctx, cancel := context.WithCancel(r.Context())
	s := &sight{joined: map[string]int{}, done: map[string]int{}}
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx, tool) })
	defer func() {
		cancel()
		watching.Wait()
		require.NoError(r, tool.Close())
	}()
	r.until("all nodes record", func() bool { return s.has(nodes, 0) })
	r.put("held", nodes*each)
	r.tasksAre(tool, nodes*each)
	close(release)
	r.until("all jobs are done, and told", func() bool { return s.has(nodes, nodes*each) })
	r.until("their times are there", func() bool {
		all, err := tool.Nodes(r.within())
		if err != nil {
			return false
		}
		var times fleet.Histogram
		for i := range all {
			if l := all[i].Consumers[0].Latency; l != nil {
				times = times.Add(l.RunTime)
			}
		}
		return times.Count() > 0
	})
	line.Cut()
	r.put("cut", each)
	time.Sleep(time.Second)
	line.Restore()
	r.until("the jobs of the cut are told", func() bool { return s.has(nodes, (nodes+1)*each) })
	r.Kill()
	// Events are missing if a node can't be asked for longer than it records.
	r.until("jobs after the kill are told", func() bool {
		r.put(fmt.Sprint("killed", time.Now().UnixNano()), 1)
		time.Sleep(100 * time.Millisecond)
		return s.has(nodes, (nodes+1)*each+3)
	})
	r.tasksAre(tool, 0)
	cancel()
	watching.Wait()
	require.Empty(r, s.faults)
	for id, n := range s.done {
		require.Equal(r, 1, n, "%s is told %d times", id, n)
	}
}

// tasksAre waits until the nodes show so many tasks.
func (r *rig) tasksAre(tool *fleet.Node, n int) {
	r.Helper()
	r.until("the tasks are shown", func() bool {
		all, err := tool.Tasks(r.within(), "", "")
		shown := 0
		for _, t := range all {
			shown += 1 + t.LeftOut
			if !strings.Contains(t.Stack, "fleetrig.held(") {
				return false // it has just begun, or ends
			}
		}
		return err == nil && shown == n
	})
}

func (r *rig) put(id string, n int) {
	r.Helper()
	for i := range n {
		require.NoError(r, r.queue.Publish(r.Context(), queue.Message{ID: fmt.Sprint(id, i), Body: []byte("x")}))
	}
}

// held is what the stack of a job shows.
func held(ctx context.Context, release chan struct{}) error {
	select {
	case <-release:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// asked joins a node whose jobs run until they are released, and starts its consumer.
func (r *rig) asked(name string, release chan struct{}) {
	r.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b := gentask.Handle(func(ctx context.Context, _ []byte) error { return held(ctx, release) })
	c, err := gentask.New(r.queue, b, gentask.Config{Concurrency: 100, Logger: quiet})
	require.NoError(r, err)
	line := r.ConnectLine()
	joined, err := fleet.Join(r.within(), line.Broker, fleet.Config{Node: name, Logger: quiet}, c)
	require.NoError(r, err)
	r.nodes = append(r.nodes, &node{joined, line, c})
	require.NoError(r, c.Start())
}
