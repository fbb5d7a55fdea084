package gentask

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// player is a consumer reduced to what matters to a pool: it has jobs that wait, and jobs that run.
type player struct {
	*share
	extends, runs int
	woken         bool
}

// turn is what a ledger does at the end of each: it starts what it can.
func (p *player) turn() {
	p.woken = false
	for p.extends > 0 && p.take() {
		p.use()
		p.extends--
		p.runs++
	}
	p.rest()
}

func players(pool *Pool, weights ...int) []*player {
	all := make([]*player, len(weights))
	for i, w := range weights {
		p := &player{}
		p.share = pool.share(w, func() { p.woken = true })
		all[i] = p
	}
	return all
}

// settle gives every member that was woken its turn.
func settle(all []*player) {
	for again := true; again; {
		again = false
		for _, p := range all {
			if p.woken {
				p.turn()
				again = true
			}
		}
	}
}

// TestPool_Invariants: for all actions and ends of the members, there are never more jobs
// than places, no place is lost, none is idle while somebody has work, and all come back.
func TestPool_Invariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := NewPool(rapid.IntRange(1, 8).Draw(t, "places"))
		all := players(pool, rapid.SliceOfN(rapid.IntRange(1, 5), 1, 4).Draw(t, "weights")...)
		pick := rapid.SampledFrom(all)
		t.Repeat(map[string]func(*rapid.T){
			"work": func(t *rapid.T) {
				p := pick.Draw(t, "who")
				p.extends += rapid.IntRange(1, 5).Draw(t, "jobs")
				p.turn()
			},
			"end": func(t *rapid.T) {
				p := pick.Draw(t, "who")
				if p.runs == 0 {
					t.Skip("nothing runs")
				}
				p.runs--
				p.giveBack()
				p.turn()
			},
			"pause": func(t *rapid.T) {
				p := pick.Draw(t, "who")
				p.extends = 0
				p.turn()
			},
			"crash": func(t *rapid.T) {
				p := pick.Draw(t, "who")
				p.extends, p.runs, p.woken = 0, 0, false
				p.reset()
			},
			"wake": func(*rapid.T) { settle(all) },
			"": func(t *rapid.T) {
				taken, woken, extends := 0, false, 0
				for _, p := range all {
					require.Equal(t, p.runs, p.held)
					taken += p.held + p.spare
					extends += p.extends
					woken = woken || p.woken
				}
				require.Equal(t, pool.InUse(), taken)
				require.LessOrEqual(t, taken, pool.Size())
				if extends > 0 && !woken {
					require.Equal(t, pool.Size(), taken, "places are free, and work waits")
				}
			},
		})
		for _, p := range all {
			p.reset()
		}
		require.Zero(t, pool.InUse())
	})
}

// TestPool_Weights: while all have work, they have places by their weights; what one doesn't need
// the others have.
func TestPool_Weights(t *testing.T) {
	pool := NewPool(12)
	all := players(pool, 1, 2, 3)
	all[2].extends = 1_000_000
	all[2].turn()
	require.Equal(t, 12, all[2].runs, "borrowed")
	for _, p := range all {
		p.extends = 1_000_000
		p.turn()
	}
	churn := func() {
		for i := range 600 {
			p := all[i%len(all)]
			if p.runs > 0 {
				p.runs--
				p.giveBack()
				p.turn()
			}
			settle(all)
		}
	}
	churn()
	require.Equal(t, []int{2, 4, 6}, []int{all[0].runs, all[1].runs, all[2].runs})
	all[1].extends = 0
	churn()
	require.Equal(t, []int{3, 0, 9}, []int{all[0].runs, all[1].runs, all[2].runs})
}

// TestPool_NobodyStarves: one of weight 1 beside one of weight 99 has the first place that comes
// free when it has none.
func TestPool_NobodyStarves(t *testing.T) {
	pool := NewPool(1)
	all := players(pool, 99, 1)
	all[0].extends, all[1].extends = 1000, 3
	all[0].turn()
	all[1].turn()
	for range 8 {
		for _, p := range all {
			if p.runs > 0 {
				p.runs--
				p.giveBack()
				p.turn()
				break
			}
		}
		settle(all)
	}
	require.Zero(t, all[1].extends)
}

func TestPoolShare_Check(t *testing.T) {
	for want, s := range map[string]PoolShare{
		"Weight is -1; want 0 for 1, or more":                       {Slots: NewPool(1), Weight: -1},
		"Slots is nil; want one made by NewPool; there is a Weight": {Weight: 1},
		"Slots is of 0 places; want 1 or more: NewPool(10)":         {Slots: NewPool(0)},
		"Slots is of -3 places; want 1 or more: NewPool(10)":        {Slots: NewPool(-3)},
	} {
		require.EqualError(t, s.check(), want)
	}
	require.NoError(t, PoolShare{}.check())
	require.NoError(t, PoolShare{Slots: NewPool(1)}.check())
}
