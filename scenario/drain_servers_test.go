package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario16_OnServers: while the 5 that run are still busy, the 15 that were returned run
// elsewhere, at no cost of an attempt.
func TestScenario16_OnServers(t *testing.T) { onServers(t, promises.DrainBesideAnother) }

// TestScenario16_PastTheDeadlineOnServers: what runs when the time is up is cancelled, named, and
// returned at no cost of an attempt.
func TestScenario16_PastTheDeadlineOnServers(t *testing.T) {
	onServers(t, promises.DrainPastTheDeadline)
}
