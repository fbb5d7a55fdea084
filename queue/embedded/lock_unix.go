//go:build (unix && !solaris && !aix) || illumos

package embedded

import (
	"os"
	"syscall"
)

// lockFile takes the exclusive lock of an open file, or fails at once.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
