package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestScenario26_OnServers with a back-off that doubles from 300 ms: while the poison waits it
// holds up no other job.
func TestScenario26_OnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		cfg := gentask.Config{Retry: gentask.Retry{Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: doubling}}}}
		started, ended := poisoned(r, time.Millisecond, cfg)
		for i, planned := range plans(r)[:poisonAttempts-1] {
			require.Equal(r, doubling(i+1, nil), planned)
			require.GreaterOrEqual(r, started[i+1].Sub(ended[i]), planned)
		}
		require.True(r, lastGood(r).Before(started[poisonAttempts-1]), "the good ones were done before its last run")
	})
}
