package gentask

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRate_HoldsOverAnyWindow: of what a limiter lets through, no while of any length has more than burst and rate allow; and whoever comes when it
// said so is let through.
func TestRate_HoldsOverAnyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.Float64Range(0.01, 10_000).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
		m, now := newLimiter(r), time.Unix(1_000_000, 0)
		var begun []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			ok, at := m.ready(now)
			if ok {
				m.count(now)
				begun = append(begun, now)
				continue
			}
			require.True(t, at.After(now))
			if rapid.Bool().Draw(t, "late") {
				at = at.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "by")))
			}
			now = at
			ok, _ = m.ready(now)
			require.True(t, ok, "come back when told to")
		}
		for i := range begun {
			for j := i; j < len(begun); j++ {
				most := float64(r.Burst) + r.PerSecond*begun[j].Sub(begun[i]).Seconds() + 1e-3
				require.LessOrEqual(t, float64(j-i+1), most)
			}
		}
	})
}

func TestRate_Set(t *testing.T) {
	m, now := newLimiter(Rate{PerSecond: 1}), time.Unix(1_000_000, 0)
	m.count(now)
	ok, at := m.ready(now)
	require.False(t, ok)
	require.Equal(t, now.Add(time.Second), at)
	m.set(Rate{PerSecond: 10}, now)
	_, at = m.ready(now)
	require.Equal(t, now.Add(100*time.Millisecond), at)
	m.set(Rate{}, now)
	for range 100 {
		ok, _ = m.ready(now)
		require.True(t, ok)
		m.count(now)
	}
	m.set(Rate{PerSecond: 1e-9}, now)
	m.count(now)
	_, at = m.ready(now)
	require.Equal(t, now.Add(longest), at)
}

func TestRate_Burst(t *testing.T) {
	for r, want := range map[Rate]int{
		{PerSecond: 5}:           1,
		{PerSecond: 1000}:        100,
		{PerSecond: 5, Burst: 7}: 7,
	} {
		_, burst := r.limit()
		require.Equal(t, want, burst)
	}
}

func TestRate_Check(t *testing.T) {
	for want, r := range map[string]Rate{
		"PerSecond is -1; want 0 for no limit, or more":                          {PerSecond: -1},
		"PerSecond is NaN; want 0 for no limit, or more":                         {PerSecond: math.NaN()},
		"PerSecond is +Inf; want 0 for no limit, or more":                        {PerSecond: math.Inf(1)},
		"Burst is -1; want 0 for as many as come in 100ms, or more":              {PerSecond: 1, Burst: -1},
		"PerSecond is 0; want the runs that begin each second; there is a Burst": {Burst: 1},
	} {
		require.EqualError(t, r.check(), want)
	}
	require.NoError(t, Rate{}.check())
}
