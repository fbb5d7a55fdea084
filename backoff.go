package gentask

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is how long to wait before something is tried again: from half of d to d. Here d is Base,
// doubled with each failure, and at most Max. The wait is random within these limits, so that jobs
// which failed together don't return together. The zero value uses the defaults of its field.
type Backoff struct {
	// Base is the longest wait after the first failure. Zero means the default that the
	// documentation of the field states. If Base is longer than the default of Max, set Max as
	// well: [New] rejects it otherwise.
	Base time.Duration
	// Max bounds the wait, the first one included. Zero means the default of the field.
	Max time.Duration
}

// BackoffFunc returns how long to wait after the given attempt, from 1, which ended for reason.
// Zero or less means no wait.
type BackoffFunc func(attempt int, reason error) time.Duration

// ConstantBackoff returns a back-off for a [Rule] that is always d.
func ConstantBackoff(d time.Duration) BackoffFunc {
	return func(int, error) time.Duration { return d }
}

// ExponentialBackoff returns a back-off for a [Rule] that works like a [Backoff]. The
// wait is from half of base to base after the first attempt. base is doubled with each further
// attempt, up to most.
func ExponentialBackoff(base, most time.Duration) BackoffFunc {
	b := Backoff{Base: span(base), Max: span(most)}
	return func(attempt int, _ error) time.Duration { return b.delay(attempt, defaultRandom) }
}

// delay returns the wait after the given failure, from 1: from half of d to d. The lower limit
// keeps a few unlucky draws from using up the attempts within a second. random returns a number in
// [0, 1).
func (b Backoff) delay(failure int, random func() float64) time.Duration {
	d := b.most(failure)
	return time.Duration(d/2 + random()*d/2)
}

// most returns d.
func (b Backoff) most(failure int) float64 {
	return min(float64(b.Base)*math.Pow(2, float64(max(failure, 1)-1)), float64(b.Max))
}

// defaultBackoff and defaultReconnect are the defaults of Max in Retry.Backoff and
// Config.Reconnect.
const (
	defaultBackoff   = 6 * time.Hour
	defaultReconnect = 30 * time.Second
)

// check rejects a Base without a Max that would never grow, because it exceeds most, the default of
// Max.
func (b Backoff) check(most time.Duration) error {
	return unfitIf(b.Max == 0 && b.Base > most, "Base", b.Base,
		fmt.Sprintf("%v at most, or a Max with it, for 0 means %v there", most, most))
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
