package isolate_test

import (
	"crypto/rand"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gentask/gentask/isolate"
)

func TestMain(m *testing.M) {
	if os.Getenv("ISOLATE_TEST_SLOW") != "" {
		time.Sleep(time.Second) // a program that does much before Main
	}
	if os.Getenv(runVariable) == "" {
		_ = os.Setenv(runVariable, rand.Text())
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // a child may exit at once
	isolate.Main()
	if os.Getenv("ISOLATE_TEST_PARENT") != "" {
		parent()
	}
	goleak.VerifyTestMain(m)
}
