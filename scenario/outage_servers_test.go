package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario12_OnServers: the outage lasts 2 s, and until every job has failed once.
func TestScenario12_OnServers(t *testing.T) { onServers(t, promises.Outage) }
