package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario26_PoisonAmongGoodOnes with the default back-off, exponential from 1 s with jitter
// from half to full: the poison runs exactly five times, never before its time, and then it is
// dead-lettered. The good ones take as long as they would without it, a slot for the time of its
// runs aside.
func TestScenario26_PoisonAmongGoodOnes(t *testing.T) {
	const work = 10 * time.Millisecond
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = time.Hour
		begin := time.Now()
		started, ended := promises.Poisoned(r, work, gentask.Config{})
		for i, planned := range promises.Plans(r)[:promises.PoisonAttempts-1] {
			require.LessOrEqual(r, planned, time.Second<<i)
			require.GreaterOrEqual(r, planned, time.Second<<i/2)
			require.GreaterOrEqual(r, started[i+1].Sub(ended[i]), planned)
		}
		require.Equal(r, promises.GoodOnes/10*work, promises.LastGood(r).Sub(begin), "the good ones are not delayed")
		require.Equal(r, promises.GoodOnes+promises.PoisonAttempts, r.Memory.Stats().Delivered)
		require.Equal(r, 1, r.Memory.Stats().DeadLettered)
	})
}
