//go:build (solaris && !illumos) || aix

package embedded

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// locked holds the lock files of this process by their paths. These systems have no flock, and a
// record lock belongs to the process: it does not keep out the process itself, and ends when any
// descriptor of the file is closed. So the process must remember its locks.
var locked sync.Map

// lockFile takes the exclusive lock of an open file, or fails at once.
func lockFile(f *os.File) error {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock); err != nil {
		return err
	}
	locked.Store(f.Name(), f)
	return nil
}

// lockedHere reports whether this process has the lock at path. It must be called before the file
// is opened a second time.
func lockedHere(path string) bool {
	f, found := locked.Load(path)
	return found && f.(*os.File).Fd() != ^uintptr(0) // otherwise it was closed
}
