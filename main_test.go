package gentask_test

import (
	"log"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // most tests fail jobs on purpose
	log.SetOutput(os.Stderr)
	goleak.VerifyTestMain(m)
}
