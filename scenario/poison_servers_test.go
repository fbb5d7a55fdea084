package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario26_OnServers with a back-off that doubles from 300 ms: while the poison waits it
// holds up no other job.
func TestScenario26_OnServers(t *testing.T) { onServers(t, promises.PoisonAmongGoodOnes) }
