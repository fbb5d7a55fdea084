package postgres

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// place is a message of the model.
type place struct {
	mark
	priority int
	from     time.Duration // when it can be seen
}

// Whatever comes late or comes back, wherever the marks are: claims hand out each message once, and
// the next sweep leaves none that could be seen.
func TestMarks(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		in := &intake{s: &session{broker: &Broker{sql: &statements{}}}}
		var waiting []place
		n := 50 + rng.IntN(100)
		for i := range n {
			at := time.Duration(rng.IntN(1000)) * time.Millisecond
			waiting = append(waiting, place{
				mark: mark{time.Unix(0, 0).Add(at), int64(i)}, priority: rng.IntN(3),
				from: at + time.Duration(rng.IntN(3)*rng.IntN(300))*time.Millisecond,
			})
		}
		for now := time.Duration(0); now < 1400*time.Millisecond; now += time.Duration(1+rng.IntN(60)) * time.Millisecond {
			c := in.newClaim(1 + rng.IntN(10))
			c.sweep = rng.IntN(8) == 0
			waiting = claimFrom(c, in, waiting, now)
			in.advance(c)
			require.True(t, slices.IsSortedFunc(c.rows, func(a, b *holding) int { return b.Priority - a.Priority }))
		}
		for i := 0; len(waiting) > 0; i++ {
			require.Less(t, i, 2*n, "seed %d: %d are passed over", seed, len(waiting))
			c := in.newClaim(10)
			c.sweep = i%2 == 0
			waiting = claimFrom(c, in, waiting, time.Hour)
			in.advance(c)
		}
	}
}

// claimFrom does what the statement does, and returns what is left.
func claimFrom(c *claimed, in *intake, waiting []place, now time.Duration) []place {
	slices.SortFunc(waiting, func(a, b place) int {
		if a.priority != b.priority {
			return b.priority - a.priority
		}
		return a.compare(b.mark)
	})
	var left []place
	for _, p := range waiting {
		from := in.marks[p.priority]
		if c.sweep {
			from = mark{}
		}
		if len(c.rows) == c.want || p.compare(from) <= 0 || p.from > now {
			left = append(left, p)
			continue
		}
		h := &holding{id: p.id}
		h.Priority = p.priority
		c.rows, c.marks = append(c.rows, h), append(c.marks, p.mark)
	}
	return left
}
