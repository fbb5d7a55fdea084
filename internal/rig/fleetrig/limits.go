package fleetrig

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// runs records which jobs run, and when they have begun.
type runs struct {
	mu      sync.Mutex
	keys    map[string]int
	now     int
	most    int // jobs at a time
	ofOne   int // the same of one key
	started []time.Time
	done    map[string]bool
}

// behavior returns one whose jobs take 10 ms, or until their context ends.
func (s *runs) behavior() gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ []byte) error {
		job, _ := gentask.FromContext(ctx)
		key := job.Headers()["customer"]
		s.begin(key)
		defer s.end(key)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done[job.ID()] = true
		return nil
	})
}

func (s *runs) begin(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	s.keys[key]++
	s.most, s.ofOne = max(s.most, s.now), max(s.ofOne, s.keys[key])
	s.started = append(s.started, time.Now())
}

func (s *runs) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	s.keys[key]--
}

func (s *runs) finished() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.done)
}

// atOnce returns how many runs began at once in the worst of all intervals, beside those that the
// rate allows.
func (s *runs) atOnce(perSecond float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.started, time.Time.Compare)
	least, worst := 0.0, 0.0
	for i, at := range s.started {
		n := float64(i) - perSecond*at.Sub(s.started[0]).Seconds()
		least = min(least, n)
		worst = max(worst, n+1-least)
	}
	return worst
}

// limitsHold: all limits of the fleet hold together while nodes are cut off and the server is
// killed, and all jobs are done in the end.
func (r *rig) limitsHold() {
	const nodes, jobs, late = 4, 400, 250 * time.Millisecond
	limits := gentask.FleetLimits{
		Concurrency: 3, Rate: gentask.Rate{PerSecond: 100, Burst: 10},
		PerKey: gentask.FleetPerKey{Key: gentask.KeyHeader("customer"), Concurrency: 1},
	}
	s := &runs{keys: map[string]int{}, done: map[string]bool{}}
	for i := range nodes {
		r.limited(fmt.Sprint("node", i), s, limits)
	}
	for i := range jobs {
		require.NoError(r, r.queue.Publish(r.Context(), queue.Message{
			ID: fmt.Sprint(i), Headers: map[string]string{"customer": fmt.Sprint("c", i%5)}, Body: []byte("x"),
		}))
	}
	for i := range 6 {
		n := r.nodes[rand.IntN(nodes)] //nolint:gosec // no secret
		n.Cut()
		time.Sleep(rand.N(time.Second)) //nolint:gosec // likewise
		n.Restore()
		if i == 3 {
			r.Kill()
		}
	}
	r.until("all jobs are done", func() bool { return s.finished() == jobs })
	worst := s.atOnce(limits.Rate.PerSecond)
	r.Logf("%d runs of %d jobs; at most %d at a time, %d of one key; %.1f began at once",
		len(s.started), jobs, s.most, s.ofOne, worst)
	require.LessOrEqual(r, s.most, limits.Concurrency)
	require.LessOrEqual(r, s.ofOne, limits.PerKey.Concurrency)
	require.LessOrEqual(r, worst, float64(limits.Rate.Burst)+limits.Rate.PerSecond*late.Seconds(),
		"a run begins up to %v after it was let through", late)
}

// limited joins a node whose consumer has the limits, and starts it.
func (r *rig) limited(name string, s *runs, limits gentask.FleetLimits) {
	r.Helper()
	quiet := slog.New(slog.DiscardHandler)
	c, err := gentask.New(r.queue, s.behavior(), gentask.Config{
		Concurrency: 3, Prefetch: 20, Logger: quiet, Policy: gentask.Policy{Fleet: limits},
	})
	require.NoError(r, err)
	line := r.ConnectLine()
	joined, err := fleet.Join(r.within(), line.Broker, fleet.Config{Node: name, Logger: quiet}, c)
	require.NoError(r, err)
	r.nodes = append(r.nodes, &node{joined, line, c})
	require.NoError(r, c.Start())
}
