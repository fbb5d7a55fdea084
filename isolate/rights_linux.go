package isolate

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mayChangeUser returns why this process can't start others as another user, and end them.
func mayChangeUser() error {
	var sets [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	if sets[0].Effective&needed != needed {
		return errors.New("want root, or the capabilities CAP_SETUID, CAP_SETGID and CAP_KILL")
	}
	return nil
}

// dieWith makes the kernel kill this process when the thread of its parent ends that has started
// it. It is called on the thread that becomes the program, because only its setting is kept.
func dieWith(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if os.Getppid() != parent {
		return errors.New("the parent has died")
	}
	return nil
}
