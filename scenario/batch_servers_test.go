package scenario_test

import (
	"testing"
)

// TestScenario30_OnServers is TestScenario30_SomeFailSomeAreForgotten on real brokers.
func TestScenario30_OnServers(t *testing.T) { onServers(t, someForgotten) }
