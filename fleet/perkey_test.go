package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// crowds counts the jobs of each key.
type crowds struct {
	mu  sync.Mutex
	all map[string]*crowd
}

func (c *crowds) of(key string) *crowd {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*crowd{}
	}
	if c.all[key] == nil {
		c.all[key] = &crowd{}
	}
	return c.all[key]
}

// sum returns how many jobs have finished, how many were interrupted, and the most at a time of any
// key.
func (c *crowds) sum() (finished, interrupted, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		one.mu.Lock()
		finished, interrupted, most = finished+one.n, interrupted+one.interruptions, max(most, one.most)
		one.mu.Unlock()
	}
	return finished, interrupted, most
}

// behavior is one whose jobs take d.
func (c *crowds) behavior(d time.Duration) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, body []byte) error {
		job, _ := gentask.FromContext(ctx)
		one := c.of(job.Headers()["customer"])
		one.enter()
		select {
		case <-time.After(d):
			one.leave(true)
			return nil
		case <-ctx.Done():
			one.leave(false)
			return context.Cause(ctx)
		}
	})
}

// publishOf publishes messages with an id each, whose customers are drawn.
func (w *world) publishOf(n int, customer func(i int) string) {
	w.Helper()
	for i := range n {
		require.NoError(w, w.queue.Publish(w.Context(), queue.Message{
			ID: strconv.Itoa(i), Headers: map[string]string{"customer": customer(i)}, Body: []byte("x"),
		}))
	}
}

func perKey(n int) gentask.Policy {
	return gentask.Policy{Fleet: gentask.FleetLimits{
		PerKey: gentask.FleetPerKey{Key: gentask.KeyHeader("customer"), Concurrency: n},
	}}
}

// TestFleetLimits_PerKey: never do more jobs of a key run on all nodes together than the limit,
// other keys go on beside a busy one, and each busy key is made use of.
func TestFleetLimits_PerKey(t *testing.T) {
	for _, limit := range []int{1, 3} {
		bubble(t, func(w *world) {
			var c crowds
			for i := range 5 {
				m := w.add(fleet.Config{Node: fmt.Sprint(i)}, c.behavior(100*time.Millisecond),
					gentask.Config{Concurrency: 10, Prefetch: 40, Policy: perKey(limit)})
				require.NoError(w, m.consumer.Start())
			}
			const busy, others = 100, 400
			began := time.Now()
			w.publishOf(busy+others, func(i int) string {
				if i%5 == 0 {
					return "busy"
				}
				return fmt.Sprint("customer ", i)
			})
			ideal := busy * 100 * time.Millisecond / time.Duration(limit)
			time.Sleep(ideal / 2)
			finished, _, _ := c.sum()
			require.Greater(w, finished, others+busy/3, "the others do not wait for the busy key")
			time.Sleep(ideal/2 + ideal/4)
			finished, interrupted, most := c.sum()
			w.Logf("limit %d: the busy key took %v of %v", limit, c.of("busy").done.Sub(began), ideal)
			require.Equal(w, busy+others, finished)
			require.Zero(w, interrupted)
			require.Equal(w, limit, most)
		})
	}
}

// TestFleetLimits_PerKeyWithCuts: the jobs of a node that is cut off end before others have their
// keys, cost no attempt, and run elsewhere. Jobs without a key don't need the fleet.
func TestFleetLimits_PerKeyWithCuts(t *testing.T) {
	interruptions := 0
	for seed := range rig.Seeds(10, 3) {
		bubble(t, func(w *world) {
			var c crowds
			r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // no secret
			limit := 1 + r.IntN(2)
			const jobs = 200
			for i := range 4 {
				m := w.add(fleet.Config{Node: fmt.Sprint(i)}, c.behavior(700*time.Millisecond), gentask.Config{
					Concurrency: 3, Prefetch: 10, Retry: gentask.Retry{MaxAttempts: 1}, Policy: perKey(limit),
				})
				require.NoError(w, m.consumer.Start())
			}
			w.publishOf(jobs, func(int) string { return []string{"a", "b", "c", "d"}[r.IntN(4)] })
			for range 30 {
				m := w.nodes[r.IntN(len(w.nodes))]
				m.line.Cut()
				time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
				m.line.Restore()
				time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)
			finished, interrupted, most := c.sum()
			require.Equal(w, jobs, finished, "seed %d", seed)
			require.LessOrEqual(w, most, limit, "seed %d", seed)
			stats, err := w.queue.Inspect(w.Context())
			require.NoError(w, err)
			require.Zero(w, stats.DeadLettered, "an interruption costs no attempt")
			interruptions += interrupted
		})
	}
	require.Positive(t, interruptions, "the test has caused none")
}

// TestFleetLimits_PerKeyWithoutAFleet: jobs without a key run, and no other, until the consumer
// joins.
func TestFleetLimits_PerKeyWithoutAFleet(t *testing.T) {
	bubble(t, func(w *world) {
		var c crowds
		consumer, err := gentask.New(w.queue, c.behavior(time.Millisecond), gentask.Config{Policy: perKey(1)})
		require.NoError(w, err)
		require.NoError(w, consumer.Start())
		w.publishOf(2, func(i int) string { return []string{"", "a"}[i] })
		time.Sleep(10 * time.Second)
		finished, _, _ := c.sum()
		require.Equal(w, 1, finished)
		require.True(w, consumer.Health().Starved)
		for range 2 {
			node, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{}, consumer)
			require.NoError(w, err)
			time.Sleep(3 * time.Second)
			finished, _, _ = c.sum()
			require.Equal(w, 2, finished)
			require.False(w, consumer.Health().Starved)
			require.NoError(w, node.Close())
		}
		_, err = consumer.Stop(w.Context())
		require.NoError(w, err)
	})
}
