package lease

import (
	"math"
	"time"
)

// Limit is a number of starts: over any interval d at most Burst + PerSecond*d. Both are positive.
type Limit struct {
	PerSecond float64
	Burst     int
}

// mostUnits is into how many units a rate is divided at most. A unit must be good for one start, so
// there are no more than Burst.
const mostUnits = 1000

func (l Limit) units() int { return min(l.Burst, mostUnits) }

// token is one start in the numbers of a bucket.
const token = int64(time.Second)

// fastest is more starts in a second than can be made, and can be computed with.
const fastest = 1e12

// low makes up for the rounding of floating point: a bucket never fills faster than it should.
const low = 1 - 1e-12

// bucket counts the starts that a program may make with its units of a rate. Each unit adds its
// part of the capacity and of the speed. Levels are rounded down.
type bucket struct {
	unit  int64   // the capacity of a unit
	speed float64 // of a unit, in tokens each second
	units int
	level int64 // at the time
	at    time.Time
}

// newBucket returns a bucket without units.
func newBucket(l Limit, now time.Time) *bucket {
	n := l.units()
	return &bucket{
		unit:  int64(min(l.Burst, math.MaxInt32)) * token / int64(n),
		speed: min(l.PerSecond, fastest) / float64(n),
		at:    now,
	}
}

func (b *bucket) capacity() int64 { return b.unit * int64(b.units) }

// fill brings the level up to date.
func (b *bucket) fill(now time.Time) {
	most := b.capacity()
	grown := float64(max(0, now.Sub(b.at))) * b.speed * float64(b.units) * low
	b.at = now
	if grown >= float64(most) {
		b.level = most
		return
	}
	b.level = min(most, b.level+int64(grown))
}

// resize sets the number of units. A unit that comes is empty. It returns what doesn't fit any
// more.
func (b *bucket) resize(units int, now time.Time) (over int64) {
	b.fill(now)
	b.units = units
	over = max(0, b.level-b.capacity())
	b.level -= over
	return over
}

// add adds n to the level, as far as it fits.
func (b *bucket) add(n int64, now time.Time) {
	b.fill(now)
	b.level = min(b.capacity(), b.level+n)
}

// take takes a token. If there is none, it returns when there will be one; zero for never.
func (b *bucket) take(now time.Time) (ok bool, at time.Time) {
	if b.fill(now); b.level >= token {
		b.level -= token
		return true, time.Time{}
	}
	if b.units == 0 {
		return false, time.Time{}
	}
	return false, b.at.Add(b.until(token))
}

// full returns how long it takes until the bucket is full.
func (b *bucket) full(now time.Time) time.Duration {
	if b.fill(now); b.level == b.capacity() {
		return 0
	}
	return b.until(b.capacity())
}

// period returns how long it takes one unit to make a token.
func (b *bucket) period() time.Duration {
	return time.Duration(min(float64(token)/b.speed, float64(time.Hour)))
}

// until returns how long it takes from the last fill until the bucket has n; an hour at most.
func (b *bucket) until(n int64) time.Duration {
	wait := math.Ceil(float64(n-b.level+1) / (b.speed * float64(b.units) * low))
	return time.Duration(min(max(wait, 1), float64(time.Hour)))
}
