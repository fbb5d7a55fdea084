//go:build unix

package brokertest

import (
	"os"
	"os/exec"
	"syscall"
)

// unprivileged is the user and the group of servers where tests are root: PostgreSQL refuses to run
// as root.
const unprivileged = 65534

// ownGroup makes the process the first of a group of its own.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// asServer makes the process one of the server's user, in a group of its own.
func asServer(cmd *exec.Cmd) {
	ownGroup(cmd)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
}

// give makes a directory that of the server's user.
func give(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, unprivileged, unprivileged)
}

func send(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }
