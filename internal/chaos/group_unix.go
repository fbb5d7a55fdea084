//go:build unix

package chaos

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the process the first of a group of its own.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills it with all of its children.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// hangUp makes it read its configuration again, interrupt ends it in good order, and lameDuck ends
// a NATS server after a warning to its clients.
func hangUp(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGHUP) }

func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGINT) }

func lameDuck(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGUSR2) }

// killSelf ends this process as kill -9 does.
func killSelf() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
