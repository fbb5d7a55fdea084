package lease

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestBucket_NeverMore: buckets whose units come, empty, and go start no more together than the
// limit allows over any interval, whatever they are asked and however units move. One that is asked
// again when it says so has a token.
func TestBucket_NeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{
			PerSecond: rapid.Float64Range(0.01, 1e6).Draw(t, "rate"), Burst: rapid.IntRange(1, 3000).Draw(t, "burst"),
		}
		begin := time.Unix(1_000_000, 0)
		m := &buckets{limit: l, now: begin, free: l.units()}
		for range 3 {
			m.all = append(m.all, newBucket(l, begin))
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step(t)
		}
		least := 0.0
		for i, at := range m.starts {
			n := float64(i) - l.PerSecond*at.Sub(m.starts[0]).Seconds()
			least = min(least, n)
			require.LessOrEqual(t, n+1-least, float64(l.Burst)+1e-6, "starts up to %d of %d", i, len(m.starts))
		}
	})
}

// buckets is a model of programs that share a limit, and never fail.
type buckets struct {
	limit  Limit
	all    []*bucket
	free   int
	now    time.Time
	starts []time.Time
}

func (m *buckets) step(t *rapid.T) {
	b := rapid.SampledFrom(m.all).Draw(t, "bucket")
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		n := rapid.IntRange(0, m.free+b.units).Draw(t, "units")
		m.free += b.units - n
		b.resize(n, m.now)
	case 1:
		share := rapid.Float64Range(0, 2).Draw(t, "of a burst")
		m.now = m.now.Add(time.Duration(share * float64(m.limit.Burst) / m.limit.PerSecond * float64(time.Second)))
	case 2:
		b.fill(m.now)
	default:
		for range rapid.IntRange(1, 50).Draw(t, "starts") {
			m.start(t, b)
		}
	}
}

// start starts something by a bucket, if that has units.
func (m *buckets) start(t *rapid.T, b *bucket) {
	ok, at := b.take(m.now)
	if !ok && at.IsZero() {
		require.Zero(t, b.units)
		return
	}
	for !ok {
		require.True(t, at.After(m.now))
		whole := at.Sub(m.now) < time.Hour
		m.now = at
		ok, at = b.take(at)
		require.True(t, ok || !whole, "it has a token when it said so")
	}
	m.starts = append(m.starts, m.now)
}

// TestBucket_Extremes: numbers that make no sense do no harm.
func TestBucket_Extremes(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, perSecond := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e300, math.MaxFloat64} {
		for _, burst := range []int{1, math.MaxInt} {
			b := newBucket(Limit{PerSecond: perSecond, Burst: burst}, now)
			b.resize(1, now)
			for range 10 {
				b.take(now)
				require.GreaterOrEqual(t, b.level, int64(0))
				require.LessOrEqual(t, b.level, b.capacity())
				now = now.Add(min(1000, b.until(token)))
			}
		}
	}
}

// TestBucket_Burst: after a lull there is the whole burst, and a unit is good for one start.
func TestBucket_Burst(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, burst := range []int{1, 7, 1000, 1001, math.MaxInt32, math.MaxInt} {
		b := newBucket(Limit{PerSecond: 1e9, Burst: burst}, now)
		ok, at := b.take(now)
		require.False(t, ok)
		require.Zero(t, at, "without units there is nothing to wait for")
		b.resize(1, now)
		now = now.Add(time.Minute)
		ok, _ = b.take(now)
		require.True(t, ok)
		b.resize(b.units, now)
		b.resize(Limit{Burst: burst}.units(), now)
		now = now.Add(time.Minute)
		require.Zero(t, b.full(now))
		most := int64(min(burst, math.MaxInt32)) * token
		require.GreaterOrEqual(t, b.level, most-1000)
		require.LessOrEqual(t, b.level, most)
	}
}
