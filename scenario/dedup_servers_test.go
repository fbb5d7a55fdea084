package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario31_OnServers: five jobs lose their session when they are done. The broker delivers
// them again, and none runs again.
func TestScenario31_OnServers(t *testing.T) { onServers(t, promises.DoneOnce) }
