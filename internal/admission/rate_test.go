package admission

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// begin is when the tests' time begins.
var begin = time.Unix(1_000_000, 0)

// requireWithin checks that over any interval between two of the starts, no more are there than a
// limit allows.
func requireWithin(t *rapid.T, l Limit, starts []time.Time) {
	for i := range starts {
		for j := i; j < len(starts); j++ {
			most := float64(l.Burst) + l.PerSecond*starts[j].Sub(starts[i]).Seconds() + 1e-3
			require.LessOrEqual(t, float64(j-i+1), most)
		}
	}
}

// TestRate_HoldsOverAnyInterval: over no interval of any length more items pass than burst and rate
// allow. An item that comes again when it was told to passes.
func TestRate_HoldsOverAnyInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{
			PerSecond: rapid.Float64Range(0.01, 10_000).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst"),
		}
		g, it, now := NewRate(l), &Item{}, begin
		var starts []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			a := g.Pass(it, now)
			if a.Kind == Admit {
				g.Started(it, now)
				starts = append(starts, now)
				continue
			}
			require.Equal(t, Block, a.Kind)
			require.True(t, a.Until.After(now))
			now = a.Until
			if rapid.Bool().Draw(t, "late") {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "by")))
			}
			require.Equal(t, Admit, g.Pass(it, now).Kind, "it comes again when told to")
		}
		requireWithin(t, l, starts)
	})
}

func TestRate_Set(t *testing.T) {
	g, it, now := NewRate(Limit{PerSecond: 1, Burst: 1}), &Item{}, begin
	g.Started(it, now)
	require.Equal(t, Answer{Kind: Block, Until: now.Add(time.Second)}, g.Pass(it, now))
	g.Set(Limit{PerSecond: 10, Burst: 1}, now)
	require.Equal(t, now.Add(100*time.Millisecond), g.Pass(it, now).Until)
	g.Set(Limit{}, now)
	for range 100 {
		require.Equal(t, Admit, g.Pass(it, now).Kind)
		g.Started(it, now)
	}
	g.Set(Limit{PerSecond: 1, Burst: 3}, now)
	now = now.Add(time.Minute)
	for range 3 {
		require.Equal(t, Admit, g.Pass(it, now).Kind)
		g.Started(it, now)
	}
	require.Equal(t, Block, g.Pass(it, now).Kind)
	g.Set(Limit{PerSecond: 1e-9, Burst: 1}, now)
	g.Started(it, now)
	require.Equal(t, now.Add(longest), g.Pass(it, now).Until)
}

// TestKeyRate_HoldsOverAnyInterval: the same for each key, however the other keys are used, and
// however often the idle ones are forgotten. A key is forgotten when it has its whole burst again.
func TestKeyRate_HoldsOverAnyInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{
			PerSecond: rapid.Float64Range(0.01, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 5).Draw(t, "burst"),
		}
		g, now := NewKeyRate(l), begin
		starts := map[string][]time.Time{}
		refill := time.Duration(float64(l.Burst) / l.PerSecond * float64(time.Second))
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "wait") {
				now = now.Add(time.Duration(rapid.Float64Range(0, 1.5).Draw(t, "of the refill") * float64(refill)))
			}
			if rapid.IntRange(0, 5).Draw(t, "forget") == 0 {
				g.forget(now)
				for key := range g.by {
					last := starts[key][len(starts[key])-1]
					require.Less(t, now.Sub(last), refill+time.Microsecond, "an idle key is forgotten")
				}
			}
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			it := &Item{Keys: &Keys{Rate: key}}
			a := g.Pass(it, now)
			if a.Kind == Admit {
				g.Started(it, now)
				starts[key] = append(starts[key], now)
				continue
			}
			require.Equal(t, Skip, a.Kind)
			require.True(t, a.Until.After(now))
			require.Equal(t, Admit, g.Pass(it, a.Until).Kind, "it comes again when told to")
		}
		for _, at := range starts {
			requireWithin(t, l, at)
		}
	})
}

// TestKeyRate_Memory: of twenty thousand keys that start one item each, not more are remembered
// than need be; and never more than 50,000.
func TestKeyRate_Memory(t *testing.T) {
	g, now := NewKeyRate(Limit{PerSecond: 10, Burst: 1}), begin
	for i := range 20_000 {
		now = now.Add(time.Millisecond)
		g.Started(&Item{Keys: &Keys{Rate: strconv.Itoa(i)}}, now)
		require.LessOrEqual(t, len(g.by), 2*101, "twice those of the last 100 ms")
	}
	g = NewKeyRate(Limit{PerSecond: 1e-6, Burst: 2})
	for i := range mostKeys + 1000 {
		g.Started(&Item{Keys: &Keys{Rate: strconv.Itoa(i)}}, now)
		require.LessOrEqual(t, len(g.by), mostKeys)
	}
}

// TestKeyRate_FewKeys: no key that is in use is forgotten while there is room.
func TestKeyRate_FewKeys(t *testing.T) {
	g := NewKeyRate(Limit{PerSecond: 1e-6, Burst: 2})
	for i := range 3 * sweepAt {
		g.Started(&Item{Keys: &Keys{Rate: strconv.Itoa(i)}}, begin)
	}
	require.Len(t, g.by, 3*sweepAt)
}

func TestKeyRate_Set(t *testing.T) {
	g, it, now := NewKeyRate(Limit{}), &Item{Keys: &Keys{Rate: "a"}}, begin
	g.Started(it, now)
	require.Empty(t, g.by, "without a limit there is nothing to remember")
	g.Set(Limit{PerSecond: 1, Burst: 1}, now)
	g.Started(it, now)
	require.Equal(t, Answer{Kind: Skip, Until: now.Add(time.Second)}, g.Pass(it, now))
	for range 2 {
		require.Equal(t, Admit, g.Pass(&Item{}, now).Kind, "without a key")
		g.Started(&Item{}, now)
	}
	g.Set(Limit{PerSecond: 10, Burst: 1}, now)
	require.Equal(t, now.Add(100*time.Millisecond), g.Pass(it, now).Until)
	g.Set(Limit{}, now)
	require.Equal(t, Admit, g.Pass(it, now).Kind)
	require.Empty(t, g.by)
}
