package gentask

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// TestKeyRate_HoldsOverAnyWindow: of what is let through of a key, no while of any length has more than burst and rate allow, whatever the other keys
// do, and however often the idle ones are forgotten; and what is forgotten is exactly what has its whole burst again.
func TestKeyRate_HoldsOverAnyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.Float64Range(0.01, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 5).Draw(t, "burst")}
		m, now := newLimiters(KeyRate{Key: KeyHeader("k"), Rate: r}), time.Unix(1_000_000, 0)
		begun := map[string][]time.Time{}
		refill := time.Duration(float64(r.Burst) / r.PerSecond * float64(time.Second))
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "wait") {
				now = now.Add(time.Duration(rapid.Float64Range(0, 1.5).Draw(t, "of the refill") * float64(refill)))
			}
			if rapid.IntRange(0, 5).Draw(t, "forget") == 0 {
				m.forget(now)
				for key := range m.by {
					require.Less(t, now.Sub(begun[key][len(begun[key])-1]), refill+time.Microsecond, "an idle key is forgotten")
				}
			}
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			ok, at := m.ready(key, now)
			if !ok {
				require.True(t, at.After(now))
				ok, _ = m.ready(key, at)
				require.True(t, ok, "come back when told to")
				continue
			}
			m.count(key, now)
			begun[key] = append(begun[key], now)
		}
		for _, at := range begun {
			for i := range at {
				for j := i; j < len(at); j++ {
					most := float64(r.Burst) + r.PerSecond*at[j].Sub(at[i]).Seconds() + 1e-3
					require.LessOrEqual(t, float64(j-i+1), most)
				}
			}
		}
	})
}

// TestKeyRate_Memory: twenty thousand keys, each of which runs once, are never remembered all.
func TestKeyRate_Memory(t *testing.T) {
	m, now := newLimiters(KeyRate{Key: KeyHeader("k"), Rate: Rate{PerSecond: 10, Burst: 1}}), time.Unix(1_000_000, 0)
	for i := range 20_000 {
		now = now.Add(time.Millisecond)
		m.count(strconv.Itoa(i), now)
		require.LessOrEqual(t, len(m.by), 2*101, "twice those of the last 100 ms")
	}
}

func TestKeyRate_Set(t *testing.T) {
	m, now := newLimiters(KeyRate{Key: KeyHeader("k")}), time.Unix(1_000_000, 0)
	m.count("a", now)
	require.Empty(t, m.by, "without a limit there is nothing to be remembered")
	m.set(Rate{PerSecond: 1}, now)
	m.count("a", now)
	_, at := m.ready("a", now)
	require.Equal(t, now.Add(time.Second), at)
	m.set(Rate{PerSecond: 10}, now)
	_, at = m.ready("a", now)
	require.Equal(t, now.Add(100*time.Millisecond), at, "what has begun counts on")
	m.set(Rate{}, now)
	ok, _ := m.ready("a", now)
	require.True(t, ok)
	require.Empty(t, m.by)
}

func TestKeyRate_Check(t *testing.T) {
	for want, k := range map[string]KeyRate{
		"Key is nil with a Rate; want a function, for example KeyHeader(name)":        {Rate: Rate{PerSecond: 1}},
		"Rate.PerSecond is -1; want 0 for no limit, or more":                          {Key: KeyHeader("k"), Rate: Rate{PerSecond: -1}},
		"Rate.PerSecond is 0; want the runs that begin each second; there is a Burst": {Key: KeyHeader("k"), Rate: Rate{Burst: 1}},
	} {
		require.EqualError(t, k.check(), want)
	}
	require.NoError(t, KeyRate{}.check())
	require.NoError(t, KeyRate{Key: func(queue.Message) string { return "" }}.check(), "for SetKeyRate")
}
