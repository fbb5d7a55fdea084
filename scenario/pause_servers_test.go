package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario33_PauseOnServers: a pause takes effect at once and is seen: nothing is started any
// more, what was not started is at the broker, for others; and so does the end of it.
func TestScenario33_PauseOnServers(t *testing.T) { onServers(t, promises.Pause) }
