package isolate

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rssUnit is the unit of Rusage.Maxrss.
const rssUnit = 1 << 10

// memoryFile returns a file that is in memory only.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("gentask-isolate", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "mark"), nil
}

// self returns the path of this program. It is the file that runs, even if another one was put
// in its place on disk.
func self() string { return "/proc/self/exe" }

// dieWithParent makes the kernel kill a child when the thread that has started it ends.
func dieWithParent(sys *syscall.SysProcAttr) { sys.Pdeathsig = syscall.SIGKILL }

// awaitDeath returns when a child is dead, and keeps its number until it is waited for. It returns
// false at once if the platform can't do that.
func awaitDeath(pid int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
