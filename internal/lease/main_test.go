package lease_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// storm cuts connections of programs, restores them and loses answers, n times, a quarter of a
// second apart on average, and calls look after each. In the end all of them are connected.
func storm(r *rand.Rand, programs []*program, n int, look func()) {
	for range n {
		p := programs[r.IntN(len(programs))]
		switch r.IntN(16) {
		case 0:
			p.line.Cut()
		case 1, 2, 3, 4:
			p.line.Restore()
		case 5:
			p.line.LoseAnswers(r.IntN(3))
		}
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		look()
	}
	for _, p := range programs {
		p.line.Restore()
	}
}
