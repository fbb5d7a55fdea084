package supervision

import (
	"math/rand/v2"
	"time"
)

// Backoff spaces the restarts of a child that fails again and again. The zero value restarts at
// once, as OTP does.
//
// The n-th restart in a row waits for Base * 2^(n-1), and for Max at most. A child that ran for
// longer than Max begins again at Base. During the wait the child counts as restarting, and the
// supervisor serves requests.
type Backoff struct {
	// Base is the first delay. Zero means no back-off at all.
	Base time.Duration
	// Max is the longest delay. Zero means 30 s, or Base if that is longer.
	Max time.Duration
	// Jitter, from 0 to 1, is the random part of each delay, so that children that failed together
	// don't come back together. With 0.2, a delay of 10 s is between 8 s and 10 s.
	Jitter float64
}

const defaultMaxBackoff = 30 * time.Second

func (b Backoff) validate(field string) error {
	switch {
	case b.Base < 0:
		return badField(field+".Base", b.Base, "0 (no back-off) or positive")
	case b.Max < 0:
		return badField(field+".Max", b.Max, "0 (30 s) or positive")
	case b.Max > 0 && b.Max < b.Base:
		return badField(field+".Max", b.Max, "at least Base")
	case !(b.Jitter >= 0 && b.Jitter <= 1): // NaN too
		return badField(field+".Jitter", b.Jitter, "from 0 to 1")
	}
	return nil
}

func (b Backoff) withDefaults() Backoff {
	if b.Max == 0 {
		b.Max = max(defaultMaxBackoff, b.Base)
	}
	return b
}

// delay returns the delay of the n-th restart in a row, n from 1.
func (b Backoff) delay(n int) time.Duration {
	d := b.Base
	for ; n > 1 && d < b.Max; n-- {
		d = doubled(d, b.Max)
	}
	if b.Jitter > 0 {
		d -= time.Duration(rand.Float64() * b.Jitter * float64(d))
	}
	return d
}

// doubled returns 2*d, but at most limit.
func doubled(d, limit time.Duration) time.Duration {
	if d > limit/2 {
		return limit
	}
	return 2 * d
}
