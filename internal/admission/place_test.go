package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSuspects_AttemptOf: at the place each delivery counts. In the queue, all losses together cost
// one attempt, and none if the message is marked.
func TestSuspects_AttemptOf(t *testing.T) {
	for name, c := range map[string]struct {
		it   Item
		want int
	}{
		"the first delivery":     {Item{Attempt: 1}, 1},
		"lost once":              {Item{Attempt: 2, Redelivered: true}, 2},
		"lost often":             {Item{Attempt: 9, Redelivered: true}, 2},
		"a copy":                 {Item{Attempt: 4, Redelivered: true, Used: 3}, 4},
		"a copy, lost often":     {Item{Attempt: 9, Redelivered: true, Used: 3}, 5},
		"marked":                 {Item{Attempt: 2, Redelivered: true, Used: 1, Marked: true}, 2},
		"marked, lost often":     {Item{Attempt: 9, Redelivered: true, Used: 1, Marked: true}, 2},
		"marked, a false number": {Item{Attempt: 2, Redelivered: true, Used: 99, Marked: true}, 2},
		"at the place":           {Item{Attempt: 9, Redelivered: true, Used: 1, Marked: true, Isolated: true}, 9},
	} {
		c.it.Identity = idOf("m")
		require.Equal(t, c.want, NewSuspects().AttemptOf(&c.it), name)
	}
}

// TestPlace_Turns: a turn begins when suspects wait, and ends when none is left, or when others
// must have theirs.
func TestPlace_Turns(t *testing.T) {
	now := begin
	g := NewSuspects()
	require.True(t, g.Place.Count(now))
	require.False(t, g.Place.Count(now.Add(time.Minute)), "asked twice")
	g.Place.Counted(0, now)
	require.False(t, g.Busy())
	require.False(t, g.Place.Count(now.Add(countEvery-1)))
	now = now.Add(countEvery)
	require.True(t, g.Place.Count(now))
	g.Place.Counted(3, now)
	require.True(t, g.Busy())
	require.True(t, g.WantsFromPlace())
	g.Place.Ask()
	require.False(t, g.WantsFromPlace(), "one is on its way")
	require.False(t, g.Place.Count(now.Add(time.Minute)))

	it := &Item{Identity: idOf("m"), Attempt: 2, Marked: true, Isolated: true}
	g.Took(it)
	g.Place.Answered(true)
	require.Equal(t, it, g.Due())
	require.Equal(t, Block, g.Pass(it, now).Kind, "others are held")
	g.SetReady(true)
	require.Equal(t, Admit, g.Pass(it, now).Kind)
	g.Started(it, now)
	require.False(t, g.WantsFromPlace())
	now = now.Add(turnMost / 2)
	g.Gone(it, Done, now)
	g.Ended(it, Result{}, now)
	require.True(t, g.WantsFromPlace(), "the next one")

	g.Took(it)
	g.SetReady(true)
	g.Started(it, now)
	now = now.Add(turnMost)
	g.Gone(it, Done, now)
	g.Ended(it, Result{}, now)
	require.False(t, g.Busy(), "others have their turn")
	g.Place.Waits(now.Add(turnMost))
	require.False(t, g.Busy(), "for as long")
	g.Place.Waits(now.Add(3 * turnMost / 2))
	require.True(t, g.Busy())
	g.Place.Ask()
	g.Place.Answered(false)
	require.False(t, g.Busy(), "none was left")
	g.Place.Waits(now.Add(time.Minute))
	g.Reset()
	require.False(t, g.Busy(), "the session is over")
	require.True(t, g.Place.Count(now.Add(time.Minute)))
}
