package admission

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// rounding is what may be missing of a whole run, because of floating point.
	rounding = 1e-6

	// longest is the longest wait for a limiter.
	longest = 24 * time.Hour
)

// Limit is a number of runs: PerSecond on the average, and Burst at once. A PerSecond of zero is no
// limit.
type Limit struct {
	PerSecond float64
	Burst     int // at least 1
}

// limit returns l in the words of a limiter.
func (l Limit) limit() (rate.Limit, int) {
	if l.PerSecond <= 0 {
		return rate.Inf, 1
	}
	return rate.Limit(l.PerSecond), l.Burst
}

// limiter counts the runs that start.
type limiter struct{ *rate.Limiter }

func newLimiter(l Limit) limiter { return limiter{rate.NewLimiter(l.limit())} }

// ready reports whether one more run may start, or when.
func (l limiter) ready(now time.Time) (ok bool, at time.Time) {
	missing := 1 - l.TokensAt(now)
	if missing <= rounding || l.Limit() == rate.Inf {
		return true, time.Time{}
	}
	wait := math.Ceil(missing / float64(l.Limit()) * float64(time.Second))
	return false, now.Add(time.Duration(min(wait, float64(longest))))
}

// count notes that a run starts.
func (l limiter) count(now time.Time) { l.ReserveN(now, 1) }

// set changes the limit. The runs that have started count on.
func (l limiter) set(to Limit, now time.Time) {
	limit, burst := to.limit()
	l.SetLimitAt(now, limit)
	l.SetBurstAt(now, burst)
}

// full reports whether the limiter is as good as a new one.
func (l limiter) full(now time.Time) bool { return l.TokensAt(now) >= float64(l.Burst()) }

// Rate is the gate of a limit that all items share: over any interval d, at most Burst +
// PerSecond*d items start. It blocks the others.
type Rate struct{ limiter }

// NewRate returns the gate of a limit.
func NewRate(l Limit) *Rate { return &Rate{newLimiter(l)} }

// Set changes the limit. The runs that have started count on.
func (g *Rate) Set(l Limit, now time.Time) { g.set(l, now) }

// Pass implements [Gate].
func (g *Rate) Pass(_ *Item, now time.Time) Answer {
	if ok, at := g.ready(now); !ok {
		return Answer{Kind: Block, Until: at}
	}
	return Answer{}
}

// Started implements [Gate].
func (g *Rate) Started(_ *Item, now time.Time) { g.count(now) }

// Ended implements [Gate].
func (*Rate) Ended(*Item, Result, time.Time) {}

// Gone implements [Gate].
func (*Rate) Gone(*Item, Fate, time.Time) {}
