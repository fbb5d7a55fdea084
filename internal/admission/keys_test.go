package admission

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/breaker"
)

// TestKeyRate_ManyKeys: a flood of keys that are all in use is remembered up to a bound. Those are
// forgotten that have most of their burst.
func TestKeyRate_ManyKeys(t *testing.T) {
	g, now := NewKeyRate(Limit{PerSecond: 1e-6, Burst: 3}), begin
	used := &Item{Keys: &Keys{Rate: "used up"}}
	for range 3 {
		g.Started(used, now)
	}
	for i := range 2 * mostKeys {
		g.Started(&Item{Keys: &Keys{Rate: strconv.Itoa(i)}}, now)
		require.LessOrEqual(t, len(g.by), mostKeys)
	}
	require.Equal(t, Skip, g.Pass(used, now).Kind, "a flood of other keys gives it no fresh burst")
}

// TestKeyBreaker_ManyKeys: the same for breakers. Each that is forgotten while it is open is told
// as closed.
func TestKeyBreaker_ManyKeys(t *testing.T) {
	g, now := newKeyBreaker(), begin
	opened, closed := 0, 0
	for i := range mostKeys {
		for range 3 {
			run(g, keyed(fmt.Sprintf("%06d", i)), breaker.Bad, now)
		}
		run(g, keyed("closed"+strconv.Itoa(i)), breaker.Good, now)
		for _, c := range g.Changes() {
			if c.State == breaker.Open {
				opened++
			} else {
				closed++
			}
		}
	}
	require.LessOrEqual(t, len(g.by), mostKeys)
	require.Equal(t, mostKeys, opened)
	require.Equal(t, opened-closed, g.Down())
}

// TestFirstKeys compares it with all keys, sorted and cut.
func TestFirstKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.MapOfN(rapid.StringN(0, 4, 8), rapid.Bool(), 0, 300).Draw(t, "keys")
		var all []string
		for key := range by {
			all = append(all, key)
		}
		slices.Sort(all)
		require.Equal(t, append([]string{}, all[:min(len(all), 100)]...), firstKeys(by, 100))
	})
}

// TestFirstHalf: those with the least values, and of equal values those with the first names.
func TestFirstHalf(t *testing.T) {
	by := map[string]int{"a": 3, "d": 1, "b": 1, "e": 2, "c": 1, "f": 2}
	require.Equal(t, []string{"b", "c", "d"}, firstHalf(by, func(a, b int) int { return a - b }))
}

func TestShortCause(t *testing.T) {
	plain := errors.New("plain")
	require.Equal(t, plain, shortCause(plain))
	require.NoError(t, shortCause(nil))
	fits := errors.New(strings.Repeat("e", maxCause))
	require.Equal(t, fits, shortCause(fits))
	require.Less(t, len(shortCause(errors.New(strings.Repeat("é", 5000))).Error()), maxCause+10)
}
