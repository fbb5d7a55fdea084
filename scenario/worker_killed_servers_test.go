package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario10_OnServers: the rig checks on the wire that the delivery is settled once.
func TestScenario10_OnServers(t *testing.T) {
	for name, kill := range promises.Killings {
		t.Run(name, func(t *testing.T) {
			onServers(t, func(r *rig.Rig) { promises.WorkerKilled(r, kill) })
		})
	}
}
