package command_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/gentask/gentask/isolate"
)

func TestMain(m *testing.M) {
	isolate.Main()
	goleak.VerifyTestMain(m)
}
