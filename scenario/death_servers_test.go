package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

func TestScenario03_OnServers(t *testing.T) { onServers(t, promises.EveryWayToDie) }
