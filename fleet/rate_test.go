package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/rig"
)

// startsOf are the starts of runs on all nodes, by one clock.
type startsOf struct {
	mu  sync.Mutex
	all []time.Time
}

func (s *startsOf) add(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, at)
}

// behavior is one whose jobs take no time.
func (s *startsOf) behavior() gentask.Behavior {
	return gentask.Handle(func(context.Context, []byte) error {
		s.add(time.Now())
		return nil
	})
}

// worst returns how many starts there were at once in the worst of all intervals, beside those that
// the rate allows.
func (s *startsOf) worst(perSecond float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.all, time.Time.Compare)
	least, worst := 0.0, 0.0
	for i, at := range s.all {
		n := float64(i) - perSecond*at.Sub(s.all[0]).Seconds()
		least = min(least, n)
		worst = max(worst, n+1-least)
	}
	return worst
}

func (s *startsOf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}

// TestFleetLimits_Rate: over no interval do more runs start on all nodes together than the rate
// allows, and hardly fewer.
func TestFleetLimits_Rate(t *testing.T) {
	for _, rate := range []gentask.Rate{{PerSecond: 100}, {PerSecond: 20, Burst: 1}, {PerSecond: 500, Burst: 100}} {
		bubble(t, func(w *world) {
			var s startsOf
			const seconds = 20
			w.publish(ids(int(2 * seconds * rate.PerSecond))...)
			for i := range 8 {
				m := w.add(fleet.Config{Node: fmt.Sprint(i)}, s.behavior(),
					gentask.Config{Concurrency: 4, Policy: gentask.Policy{Fleet: gentask.FleetLimits{Rate: rate}}})
				require.NoError(w, m.consumer.Start())
			}
			time.Sleep(seconds * time.Second)
			n := s.count()
			burst := max(rate.Burst, 1)
			if rate.Burst == 0 {
				burst = int(rate.PerSecond / 10)
			}
			w.Logf("%v: %d starts, %.2f at once", rate, n, s.worst(rate.PerSecond))
			require.GreaterOrEqual(w, float64(n), 0.95*seconds*rate.PerSecond)
			require.LessOrEqual(w, s.worst(rate.PerSecond), float64(burst)+1e-3)
		})
	}
}

// TestFleetLimits_RateWithCuts: the rate holds while nodes are cut off from the store; what they
// hold runs in the end. Both limits hold together.
func TestFleetLimits_RateWithCuts(t *testing.T) {
	for seed := range rig.Seeds(10, 3) {
		bubble(t, func(w *world) {
			var s startsOf
			var c crowd
			r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // no secret
			limits := gentask.FleetLimits{
				Rate: gentask.Rate{PerSecond: 1 + 20*r.Float64(), Burst: 1 + r.IntN(10)}, Concurrency: 3,
			}
			const jobs = 200
			work := gentask.Handle(func(ctx context.Context, _ []byte) error {
				s.add(time.Now())
				c.enter()
				defer c.leave(true)
				select {
				case <-time.After(100 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			for i := range 4 {
				m := w.add(fleet.Config{Node: fmt.Sprint(i)}, work,
					gentask.Config{Concurrency: 3, Policy: gentask.Policy{Fleet: limits}})
				require.NoError(w, m.consumer.Start())
			}
			w.publish(ids(jobs)...)
			for range 30 {
				m := w.nodes[r.IntN(len(w.nodes))]
				m.line.Cut()
				time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
				m.line.Restore()
				time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
			}
			time.Sleep(5 * time.Minute)
			require.GreaterOrEqual(w, s.count(), jobs, "seed %d", seed)
			require.LessOrEqual(w, s.worst(limits.Rate.PerSecond), float64(limits.Rate.Burst)+1e-3, "seed %d", seed)
			require.LessOrEqual(w, c.most, limits.Concurrency, "seed %d", seed)
			stats, err := w.queue.Inspect(w.Context())
			require.NoError(w, err)
			require.Zero(w, stats.Ready+stats.DeadLettered, "seed %d", seed)
		})
	}
}

// TestFleetLimits_Starved: a consumer that has not joined gives its deliveries back after five
// seconds, and shows why. A consumer whose runs only come slowly is not starved.
func TestFleetLimits_Starved(t *testing.T) {
	bubble(t, func(w *world) {
		var s startsOf
		consumer, err := gentask.New(w.queue, s.behavior(), gentask.Config{
			Policy: gentask.Policy{Fleet: gentask.FleetLimits{Rate: gentask.Rate{PerSecond: 0.1, Burst: 1}}},
		})
		require.NoError(w, err)
		require.NoError(w, consumer.Start())
		w.publish("1", "2")
		time.Sleep(3 * time.Second)
		require.False(w, consumer.Health().Starved)
		require.Equal(w, 2, consumer.Health().Held)
		time.Sleep(4 * time.Second)
		require.True(w, consumer.Health().Starved)
		require.True(w, consumer.Health().Healthy())
		require.Zero(w, consumer.Health().Held)
		node, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{}, consumer)
		require.NoError(w, err)
		time.Sleep(15 * time.Second)
		require.Equal(w, 1, s.count())
		require.False(w, consumer.Health().Starved, "it waits for its turn")
		require.Equal(w, 1, consumer.Health().Held)
		time.Sleep(10 * time.Second)
		require.Equal(w, 2, s.count())
		_, err = consumer.Stop(w.Context())
		require.NoError(w, err)
		require.NoError(w, node.Close())
	})
}

// TestFleetLimits_RateAndCommands: an operator's rate is that of each consumer, and counts beside
// the fleet's.
func TestFleetLimits_RateAndCommands(t *testing.T) {
	bubble(t, func(w *world) {
		var s startsOf
		w.publish(ids(1000)...)
		for i := range 4 {
			m := w.add(fleet.Config{Node: fmt.Sprint(i)}, s.behavior(), gentask.Config{
				Policy: gentask.Policy{Fleet: gentask.FleetLimits{Rate: gentask.Rate{PerSecond: 20}}},
			})
			require.NoError(w, m.consumer.Start())
		}
		time.Sleep(2 * time.Second)
		tool := w.observer()
		for _, c := range []struct {
			rate gentask.Rate
			most int
		}{{gentask.Rate{PerSecond: 1}, 40}, {gentask.Rate{}, 200}, {gentask.Rate{PerSecond: 100}, 200}} {
			_, err := tool.SetRate(w.Context(), "emails", &c.rate, ana)
			require.NoError(w, err)
			time.Sleep(time.Second)
			before := s.count()
			time.Sleep(10 * time.Second)
			require.InDelta(w, c.most, s.count()-before, 0.07*float64(c.most), "%v", c.rate)
		}
	})
}
