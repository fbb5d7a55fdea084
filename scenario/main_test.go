package scenario_test

import (
	"log"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(rollingDir); dir != "" {
		os.Exit(rollingNode(dir)) // a node of TestScenario42_RollingRestarts
	}
	slog.SetDefault(silent) // most tests fail jobs on purpose
	log.SetOutput(os.Stderr)
	goleak.VerifyTestMain(m)
}
