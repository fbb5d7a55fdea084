//go:build !unix

package chaos

import (
	"errors"
	"os"
	"os/exec"
)

// Without process groups only the process itself is killed.
func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

var errNoSignals = errors.New("chaos: there are no such signals here")

func hangUp(*exec.Cmd) error { return errNoSignals }

func interrupt(*exec.Cmd) error { return errNoSignals }

func lameDuck(*exec.Cmd) error { return errNoSignals }

// killSelf ends this process.
func killSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}
