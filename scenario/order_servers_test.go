package scenario_test

import (
	"testing"
)

// TestScenario29_StrictOnServers: on real brokers, a failed message's attempts come before whatever
// comes after it with its key, and its dead letter says how many there were.
func TestScenario29_StrictOnServers(t *testing.T) { onServers(t, strictly) }
