//go:build !unix

package chaos

import "os/exec"

// Without process groups only the process itself is killed.
func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
