package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// crowd counts jobs that run at the same time, as long as their contexts live.
type crowd struct {
	mu            sync.Mutex
	now, most, n  int
	interruptions int
	began         time.Time
	done          time.Time
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 && c.began.IsZero() {
		c.began = time.Now()
	}
	c.now++
	c.most = max(c.most, c.now)
}

func (c *crowd) leave(finished bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	if finished {
		c.n++
		c.done = time.Now()
	} else {
		c.interruptions++
	}
}

func (c *crowd) finished() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// behavior is one whose jobs take d.
func (c *crowd) behavior(d time.Duration) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ []byte) error {
		c.enter()
		select {
		case <-time.After(d):
			c.leave(true)
			return nil
		case <-ctx.Done():
			c.leave(false)
			return context.Cause(ctx)
		}
	})
}

// TestFleetLimits_NeverMore jobs run on all nodes together than the limit, and hardly fewer.
func TestFleetLimits_NeverMore(t *testing.T) {
	bubble(t, func(w *world) {
		var c crowd
		const limit, jobs = 5, 1000
		for i := range 8 {
			m := w.add(fleet.Config{Node: fmt.Sprint(i)}, c.behavior(100*time.Millisecond),
				gentask.Config{Concurrency: 4, Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: limit}}})
			require.NoError(w, m.consumer.Start())
		}
		for i := range jobs {
			require.NoError(w, w.queue.Publish(w.Context(), queue.Message{ID: fmt.Sprint(i)}))
		}
		time.Sleep(2 * jobs * 100 * time.Millisecond / limit)
		require.Equal(w, jobs, c.finished())
		require.Equal(w, limit, c.most)
		ideal := jobs * 100 * time.Millisecond / limit
		require.LessOrEqual(w, c.done.Sub(c.began), ideal*100/95)
		require.Zero(w, c.interruptions)
	})
}

// TestFleetLimits_LostUnits: jobs of a node that is cut off from the store end before others have
// their units, cost no attempt, and run elsewhere. The node gives its deliveries back.
func TestFleetLimits_LostUnits(t *testing.T) {
	interruptions := 0
	for seed := range rig.Seeds(10, 3) {
		bubble(t, func(w *world) {
			var c crowd
			r := rand.New(rand.NewPCG(seed, 7))
			const limit, jobs = 3, 100
			for i := range 4 {
				m := w.add(fleet.Config{Node: fmt.Sprint(i)}, c.behavior(700*time.Millisecond),
					gentask.Config{
						Concurrency: 3, Retry: gentask.Retry{MaxAttempts: 1},
						Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: limit}},
					})
				require.NoError(w, m.consumer.Start())
			}
			for i := range jobs {
				require.NoError(w, w.queue.Publish(w.Context(), queue.Message{ID: fmt.Sprint(i)}))
			}
			for range 30 {
				m := w.nodes[r.IntN(len(w.nodes))]
				m.line.Cut()
				time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
				m.line.Restore()
				time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
			}
			time.Sleep(time.Minute)
			require.Equal(w, jobs, c.finished(), "seed %d", seed)
			require.LessOrEqual(w, c.most, limit, "seed %d", seed)
			stats, err := w.queue.Inspect(w.Context())
			require.NoError(w, err)
			require.Zero(w, stats.DeadLettered, "an interruption costs no attempt")
			interruptions += c.interruptions
		})
	}
	require.Positive(t, interruptions, "the test has caused none")
}

// TestFleetLimits_WithoutAFleet: no job starts before the consumer has joined, and its deliveries
// go back to the broker.
func TestFleetLimits_WithoutAFleet(t *testing.T) {
	bubble(t, func(w *world) {
		var c crowd
		consumer, err := gentask.New(w.queue, c.behavior(time.Second), gentask.Config{
			Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: 2}},
		})
		require.NoError(w, err)
		require.NoError(w, consumer.Start())
		require.NoError(w, w.queue.Publish(w.Context(), queue.Message{ID: "1"}))
		time.Sleep(10 * time.Second)
		require.Zero(w, c.most)
		require.Zero(w, consumer.Health().Held)
		node, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{}, consumer)
		require.NoError(w, err)
		time.Sleep(3 * time.Second)
		require.Equal(w, 1, c.finished())
		_, err = consumer.Stop(w.Context())
		require.NoError(w, err)
		require.NoError(w, node.Close())
	})
}
