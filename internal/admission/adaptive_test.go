package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/adapt"
	"github.com/gentask/gentask/internal/breaker"
)

// TestAdaptive: as many items are at work as the limit allows. It grows while they need it and are
// as fast as ever, and shrinks when they fail. Runs that prove nothing do not move it.
func TestAdaptive(t *testing.T) {
	g := NewAdaptive(adapt.New(adapt.Settings{Min: 2, Max: 8, Tolerance: 2, FailureRate: 0.1}))
	now := begin
	round := func(s breaker.Result) int {
		var at []*Item
		for g.Pass(&Item{}, now).Kind == Admit {
			at = append(at, &Item{})
			g.Started(at[len(at)-1], now)
		}
		require.Equal(t, Answer{Kind: Block}, g.Pass(&Item{}, now))
		from := now
		now = now.Add(time.Second)
		for _, it := range at {
			g.Ended(it, Result{Signal: s, Start: from, Took: time.Second}, now)
		}
		return len(at)
	}
	for range 20 {
		require.Equal(t, 2, round(breaker.Nothing))
	}
	for range 20 {
		round(breaker.Good)
	}
	require.Equal(t, 8, round(breaker.Good))
	for range 20 {
		round(breaker.Bad)
	}
	require.Equal(t, 2, round(breaker.Bad))
	g.Started(&Item{}, now)
	g.Started(&Item{}, now)
	g.Reset()
	require.Equal(t, 2, round(breaker.Nothing), "those of an earlier queue are forgotten")
}
