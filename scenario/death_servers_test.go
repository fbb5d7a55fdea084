package scenario_test

import (
	"testing"
)

func TestScenario03_OnServers(t *testing.T) { onServers(t, scenario03) }
