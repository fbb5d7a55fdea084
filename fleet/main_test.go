package fleet_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/chaos"
)

func TestMain(m *testing.M) {
	if chaos.Child() {
		return // a server that a test may kill
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}
