package scenario_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// starts notes when runs begin.
type starts struct {
	mu sync.Mutex
	at []time.Time
}

func (s *starts) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
}

// sorted returns what was noted since then.
func (s *starts) sorted(since time.Time) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.DeleteFunc(slices.Clone(s.at), func(t time.Time) bool { return t.Before(since) })
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// requireRate checks every window: of the starts within any while of d there are no more than burst
// + perSecond*d. slack is how much later than it was let through a run may begin.
func requireRate(r *rig.Rig, at []time.Time, perSecond float64, burst int, slack time.Duration) {
	r.Helper()
	for i := range at {
		for j := i; j < len(at); j++ {
			d := at[j].Sub(at[i]) + slack
			if most := float64(burst) + math.Ceil(perSecond*d.Seconds()*1.0001); float64(j-i+1) > most {
				r.Fatalf("%d starts within %v; want %v at most", j-i+1, d, most)
			}
		}
	}
}

// TestScenario33_Rate: no window of any length has more starts than allowed, through lost sessions
// and a crashed ledger, and the rate is made use of.
func TestScenario33_Rate(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, perSecond, burst = 1000, 50, 5
		r.Allow.Crashes = true
		var s starts
		began := time.Now()
		r.Publish(jobs)
		r.Start(r.Handle(func(context.Context, string) error { s.note(); return nil }),
			gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}}})
		time.Sleep(3 * time.Second)
		r.Break()
		time.Sleep(3 * time.Second)
		r.Kill("ledger")
		r.Finish()
		requireRate(r, s.sorted(began), perSecond, burst, 0)
		require.Less(r, time.Since(began), 25*time.Second, "20 s, and a little for the interruptions")
		require.Empty(r, r.Events(gentask.EventHealed), "a consumer that waits for its rate has not stalled")
	})
}

// TestScenario33_RateChanges: at run time, in both directions, from none and to none.
func TestScenario33_RateChanges(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var s starts
		r.Publish(3000)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { s.note(); return rig.Pause(ctx, 10*time.Millisecond) }), gentask.Config{})
		for _, perSecond := range []float64{10, 100, 1} {
			require.NoError(r, c.SetRate(r.Context(), gentask.Rate{PerSecond: perSecond, Burst: 1}))
			r.Rest()
			since := time.Now().Add(1)
			time.Sleep(20 * time.Second)
			at := s.sorted(since)
			requireRate(r, at, perSecond, 1, 0)
			require.GreaterOrEqual(r, float64(len(at)), 20*perSecond-1)
		}
		require.NoError(r, c.SetRate(r.Context(), gentask.Rate{}))
		r.Limit = 10 * time.Minute
		r.Finish()
		require.ErrorIs(r, c.SetRate(r.Context(), gentask.Rate{PerSecond: -1}), gentask.ErrConfig)
	})
}
