package gentask

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before something is tried again: up to d, where d is Base doubled with each failure, at most Max. What the wait
// is within d is left to chance, so that what failed together doesn't come back together. The zero value is right.
type Backoff struct {
	// Base is the longest wait after the first failure. Zero means the default that the field's owner states.
	Base time.Duration
	// Max bounds the wait. Zero means the default that the field's owner states.
	Max time.Duration
}

// Fixed returns a back-off for Retry and Rule that is always d.
func Fixed(d time.Duration) func(attempt int, reason error) time.Duration {
	return func(int, error) time.Duration { return d }
}

// Exponential returns a back-off for Retry and Rule that works as Config.Backoff does: anything from nothing to base after the first attempt,
// base doubled with each further one, and never more than most.
func Exponential(base, most time.Duration) func(attempt int, reason error) time.Duration {
	b := Backoff{Base: base, Max: most}
	return func(attempt int, _ error) time.Duration { return b.fully(attempt, defaultRandom) }
}

// fully returns the wait of a job after the given attempt, from 1: from nothing to d. random returns a number in [0, 1).
func (b Backoff) fully(attempt int, random func() float64) time.Duration {
	return time.Duration(random() * b.most(attempt))
}

// delay returns the wait of a connection after the given failure, from 1: between half of d and d, for a door is not to be knocked at twice at once.
func (b Backoff) delay(failure int, random func() float64) time.Duration {
	d := b.most(failure)
	return time.Duration(d/2 + random()*d/2)
}

// most returns d.
func (b Backoff) most(failure int) float64 {
	return min(float64(b.Base)*math.Pow(2, float64(max(failure, 1)-1)), float64(b.Max))
}

func (b Backoff) or(base, most time.Duration) Backoff {
	if b.Base == 0 {
		b.Base = base
	}
	if b.Max == 0 {
		b.Max = max(most, b.Base)
	}
	return b
}

func defaultRandom() float64 { return rand.Float64() } //nolint:gosec // jitter, not a secret
