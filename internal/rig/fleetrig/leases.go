package fleetrig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
)

// turns records which node runs a function of fleet.Node.Only.
type turns struct {
	mu     sync.Mutex
	now    string
	epochs []uint64
	took   time.Time
	faults []string
}

func (s *turns) run(who string) func(context.Context, uint64) error {
	return func(ctx context.Context, epoch uint64) error {
		s.begin(who, epoch)
		<-ctx.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now = ""
		return ctx.Err()
	}
}

func (s *turns) begin(who string, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != "" {
		s.faults = append(s.faults, s.now+" and "+who+" at once")
	}
	if n := len(s.epochs); n > 0 && s.epochs[n-1] >= epoch {
		s.faults = append(s.faults, fmt.Sprintf("epoch %d after %d", epoch, s.epochs[n-1]))
	}
	s.now, s.epochs, s.took = who, append(s.epochs, epoch), time.Now()
}

// state returns which node runs the function, since when, and how many have.
func (s *turns) state() (now string, took time.Time, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.took, len(s.epochs)
}

// oneAtATime: a function runs on one node at a time, while nodes are cut off and the broker is
// killed, and always again.
func (r *rig) oneAtATime() {
	var s turns
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var all sync.WaitGroup
	const n = 5
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = r.ConnectLine()
		node, err := fleet.Join(r.within(), lines[i].Broker, fleet.Config{Node: fmt.Sprint(i)})
		require.NoError(r, err)
		all.Go(func() {
			_ = node.Only(ctx, "x", s.run(fmt.Sprint(i)))
			require.NoError(r, node.Close())
		})
	}
	runs := func() bool { now, _, _ := s.state(); return now != "" }
	r.until("a node runs the function", runs)
	var takeovers []time.Duration
	for turn := range 5 {
		if turn == 2 {
			r.Kill()
			r.until("a node runs the function after the broker is back", runs)
			continue
		}
		holder, _, before := s.state()
		var i int
		_, _ = fmt.Sscan(holder, &i)
		cut := time.Now()
		lines[i].Cut()
		r.until("another node takes over", func() bool { now, _, n := s.state(); return now != "" && n > before })
		_, took, _ := s.state()
		takeovers = append(takeovers, took.Sub(cut))
		time.Sleep(rand.N(time.Second)) //nolint:gosec // no secret
		lines[i].Restore()
	}
	cancel()
	all.Wait()
	r.Logf("taken over after %v", takeovers)
	require.Empty(r, s.faults)
}
