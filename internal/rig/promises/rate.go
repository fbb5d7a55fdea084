package promises

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// Starts notes when runs begin.
type Starts struct {
	mu sync.Mutex
	at []time.Time
}

// Note notes that a run begins now.
func (s *Starts) Note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
}

// Since returns the moments since then, sorted.
func (s *Starts) Since(since time.Time) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.DeleteFunc(slices.Clone(s.at), func(t time.Time) bool { return t.Before(since) })
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// RequireRate checks every window: of the starts within any while of d there are no more than burst
// + perSecond*d. slack is how much later than it was let through a run may begin.
func RequireRate(r *rig.Rig, at []time.Time, perSecond float64, burst int, slack time.Duration) {
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

// Rate is scenario 33: the rate holds over every window, and is changed at run time.
func Rate(r *rig.Rig) {
	const jobs, perSecond, burst = 100, 50, 5
	var s Starts
	began := time.Now()
	r.Publish(jobs)
	c := r.Start(r.Handle(func(context.Context, string) error { s.Note(); return nil }),
		gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}}})
	r.Eventually("half of them are done", func() bool { return r.Runs.Total() >= jobs/2 })
	require.GreaterOrEqual(r, time.Since(began), 800*time.Millisecond)
	r.Finish()
	RequireRate(r, s.Since(began), perSecond, burst, 100*time.Millisecond)

	require.NoError(r, c.SetRate(r.Context(), gentask.Rate{}))
	r.Publish(jobs)
	r.Finish()
	require.Empty(r, r.Events(gentask.EventHealed))
}
