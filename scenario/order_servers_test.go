package scenario_test

import (
	"testing"
)

// TestScenario29_StrictOnServers: on real brokers, a failed message's attempts come before later
// messages of its key, and its dead letter reports how many there were.
func TestScenario29_StrictOnServers(t *testing.T) { onServers(t, strictly) }
