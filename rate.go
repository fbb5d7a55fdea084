package gentask

import (
	"errors"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Rate limits how many runs a consumer begins: in any while of d at most Burst + PerSecond*d. What may not begin yet is held, up to
// Config.Prefetch. Consumer.SetRate changes it.
type Rate struct {
	// PerSecond is how many runs begin each second, on the average. Zero is off.
	PerSecond float64

	// Burst is how many may begin at once after a lull. Zero means as many as come in 100 ms, and 1 at least.
	Burst int
}

func (r Rate) check() error { return r.checkAs("") }

// checkAs is check for a rate that is a field: in is what comes before the names of its own.
func (r Rate) checkAs(in string) error {
	number := r.PerSecond >= 0 && !math.IsInf(r.PerSecond, 0) // NaN is not in it
	return errors.Join(
		unfitIf(!number, in+"PerSecond", r.PerSecond, "0 for no limit, or more"),
		unfitIf(r.Burst < 0, in+"Burst", r.Burst, "0 for as many as come in 100ms, or more"),
		unfitIf(r.PerSecond == 0 && r.Burst > 0, in+"PerSecond", r.PerSecond, "the runs that begin each second; there is a Burst"))
}

func (r Rate) on() bool { return r.PerSecond > 0 }

// limit is the rate as the limiter's rate.Limiter takes it.
func (r Rate) limit() (rate.Limit, int) {
	if !r.on() {
		return rate.Inf, 1
	}
	return rate.Limit(r.PerSecond), or(r.Burst, int(min(max(r.PerSecond/10, 1), mostBurst)))
}

// mostBurst is more than runs can begin in any while, and fits an int everywhere.
const mostBurst = math.MaxInt32

// limiter counts what a Rate lets through.
type limiter struct{ limiter *rate.Limiter }

func newLimiter(r Rate) limiter { return limiter{rate.NewLimiter(r.limit())} }

// ready says whether one more may begin, or when.
func (m limiter) ready(now time.Time) (ok bool, at time.Time) {
	missing := 1 - m.limiter.TokensAt(now)
	if missing <= rounding || m.limiter.Limit() == rate.Inf {
		return true, time.Time{}
	}
	wait := math.Ceil(missing / float64(m.limiter.Limit()) * float64(time.Second))
	return false, now.Add(time.Duration(min(wait, float64(longest))))
}

// rounding is what may be missing of a whole run: it is no number of the user's, but of floating point.
const rounding = 1e-6

// longest is how long a ledger waits at the most before it looks again.
const longest = 24 * time.Hour

// count takes note of one that begins.
func (m limiter) count(now time.Time) { m.limiter.ReserveN(now, 1) }

// set changes the rate. What has begun counts on.
func (m limiter) set(r Rate, now time.Time) {
	limit, burst := r.limit()
	m.limiter.SetLimitAt(now, limit)
	m.limiter.SetBurstAt(now, burst)
}
