package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig"
)

// TestScenario10_OnServers: the rig checks on the wire that the delivery is settled once.
func TestScenario10_OnServers(t *testing.T) {
	for name, kill := range killings {
		t.Run(name, func(t *testing.T) {
			onServers(t, func(r *rig.Rig) { scenario10(r, kill) })
		})
	}
}
