package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario18_OnServers: the network is cut while all jobs of the prefetch are held and some
// run. Nothing of session 1 is settled in session 2, which the rig checks at the driver; the
// running are cancelled with that cause, the unstarted dropped, and all come again.
func TestScenario18_OnServers(t *testing.T) { onServers(t, promises.CutOff) }

// TestScenario18_FinishLostOnServers: by option what runs may finish, and the message, which has
// come again, waits for that.
func TestScenario18_FinishLostOnServers(t *testing.T) { onServers(t, promises.FinishLost) }

// TestScenario18_CutAgainAndAgainOnServers: some settlements may have been applied, and every job
// is done in the end.
func TestScenario18_CutAgainAndAgainOnServers(t *testing.T) { onServers(t, promises.CutAgainAndAgain) }
