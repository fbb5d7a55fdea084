package main

import (
	"os"
	"testing"
)

// asCommand is the variable that makes the test program the command.
const asCommand = "GENTASK_TEST_COMMAND"

// TestMain is the command itself in a process that program starts.
func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}
