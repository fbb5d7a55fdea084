package scenario_test

import (
	"testing"

	"github.com/gentask/gentask/internal/rig/promises"
)

// TestScenario28_OnServers: while everything fails the messages stay at the broker and keep their
// attempts; when the outage is over the consumer is back by itself, in the session that it had.
func TestScenario28_OnServers(t *testing.T) { onServers(t, promises.BreakerOpens) }
