package fleet

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestLatencies: the figures are those that were counted within the span, and none from before.
func TestLatencies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var l latencies
		now := time.Unix(1000, 0)
		l.add(time.Second, time.Second, now)
		require.Nil(rt, l.show(now), "it is off")
		l.turn(true, now)
		begun := now
		var added []time.Time
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				l.add(3*time.Millisecond, 0, now)
				added = append(added, now)
			},
			"sleep": func(rt *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{1, time.Second, 4 * time.Second, 17 * time.Second, 2 * time.Minute}).Draw(rt, "d"))
			},
			"": func(rt *rapid.T) {
				shown := l.show(now)
				require.LessOrEqual(rt, shown.Span, time.Minute)
				require.GreaterOrEqual(rt, shown.Span, min(55*time.Second, now.Sub(begun)))
				want := uint64(0)
				for _, at := range added {
					if now.Sub(at) <= shown.Span {
						want++
					}
				}
				require.Equal(rt, want, shown.QueueTime.Count())
				require.Empty(rt, shown.RunTime)
			},
		})
		l.turn(false, now)
		require.Nil(rt, l.show(now))
	})
}

// TestHistogram: its buckets are the documented ones, and a quantile is wrong by a factor of two at
// most.
func TestHistogram(t *testing.T) {
	for d, bucket := range map[time.Duration]int{
		-time.Second: 0, 0: 0, time.Millisecond - 1: 0, time.Millisecond: 1, 2*time.Millisecond - 1: 1,
		2 * time.Millisecond: 2, 1023 * time.Millisecond: 10, 1024 * time.Millisecond: 11, 1 << 62: 31,
	} {
		require.Equal(t, bucket, bucketOf(d), "%v", d)
	}
	require.Zero(t, Histogram(nil).Quantile(0.5))
	require.Equal(t, Histogram{1, 2, 5}, Histogram{1, 0, 5}.Add(Histogram{0, 2}))
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(1, int64(time.Hour)), 1, 50).Draw(rt, "durations")
		var counts [mostBuckets]uint64
		for _, d := range all {
			counts[bucketOf(time.Duration(d))]++
		}
		h := trim(counts)
		require.Equal(rt, uint64(len(all)), h.Count())
		p := rapid.Float64Range(-0.1, 1.1).Draw(rt, "p")
		got := h.Quantile(p)
		slices.Sort(all)
		rank := int(math.Ceil(min(max(p, 0), 1) * float64(len(all))))
		bucket := bucketOf(time.Duration(all[max(rank, 1)-1]))
		require.GreaterOrEqual(rt, got, within(bucket, 0))
		require.LessOrEqual(rt, got, within(bucket, 1))
	})
}
