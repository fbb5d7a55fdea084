package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario33_RateOnServers: the rate holds over every window, and is changed at run time.
func TestScenario33_RateOnServers(t *testing.T) { onServers(t, promises.Rate) }
