package fleet_test

import (
	"log"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/chaos"
)

func TestMain(m *testing.M) {
	if chaos.Child() {
		return // a server that a test may kill
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if at := os.Getenv(nodeEnv); at != "" {
		if err := runNode(at); err != nil {
			log.Fatal(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
