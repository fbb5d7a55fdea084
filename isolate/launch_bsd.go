//go:build unix && !linux

package isolate

import (
	"os"
	"runtime"
	"syscall"
)

// rssUnit is the unit of Rusage.Maxrss: bytes on macOS, kilobytes on the BSDs.
var rssUnit = map[bool]uint64{true: 1, false: 1 << 10}[runtime.GOOS == "darwin"]

// memoryFile returns a file that no other program can open.
func memoryFile() (*os.File, error) {
	f, err := os.CreateTemp("", "gentask-isolate")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// self returns the path of this program.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// dieWithParent does nothing: the warden kills the children of a dead parent.
func dieWithParent(*syscall.SysProcAttr) {}

// awaitDeath returns false: the number of a child is kept until Wait only.
func awaitDeath(int) bool { return false }
