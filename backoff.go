package gentask

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before the next attempt: between half of d and d, where d is Base doubled with each attempt, up to Max. The
// zero value is right.
type Backoff struct {
	// Base is the longest wait after the first attempt. Zero means the default that the field's owner states.
	Base time.Duration
	// Max bounds the wait. Zero means the default that the field's owner states.
	Max time.Duration
}

// delay returns the wait after the given attempt, from 1. random returns a number in [0, 1).
func (b Backoff) delay(attempt int, random func() float64) time.Duration {
	d := float64(b.Base) * math.Pow(2, float64(max(attempt, 1)-1))
	d = min(d, float64(b.Max))
	return time.Duration(d/2 + random()*d/2)
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
