//go:build (solaris && !illumos) || aix

package embedded

import (
	"io"
	"os"
	"syscall"
)

// lockFile takes the exclusive lock of an open file, or fails at once. These systems have no flock.
// A record lock belongs to the process, and ends when any descriptor of the file is closed.
func lockFile(f *os.File) error {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	return syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock)
}
