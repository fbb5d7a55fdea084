package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario13_OnServers: with the prefetch full and every slot taken, the worker supervisor is
// killed. Within 1 s the broker sends more than the prefetch allowed: the slots are free there,
// too.
func TestScenario13_OnServers(t *testing.T) { onServers(t, promises.SupervisorKilled) }
