package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario24_OnServers: each job is settled early, by several at once, and then fails. The
// first settlement is the one that reaches the wire, which the rig checks; all others get
// ErrSettled, and the session lives on.
func TestScenario24_OnServers(t *testing.T) { onServers(t, promises.SettledOverAndOver) }
