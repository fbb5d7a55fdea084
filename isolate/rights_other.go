//go:build !linux

package isolate

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// accessSupported returns that the system can't enforce an Access.
func accessSupported(*Access) error {
	return fmt.Errorf("isolate: Config.Access is set, but %s has no Landlock; want Linux", runtime.GOOS)
}

// leaf is no cgroup: only Linux has them.
type leaf string

func (c Config) checkCgroup() error {
	if c.Cgroup == "" {
		return nil
	}
	return fmt.Errorf("isolate: Config.Cgroup is %q, but %s has no cgroups; want Linux", c.Cgroup, runtime.GOOS)
}

func (c Config) newLeaf() (leaf, error)                  { return "", nil }
func (leaf) open(*syscall.SysProcAttr) (*os.File, error) { return nil, nil } //nolint:nilnil // closeAll takes it
func (leaf) excess(uint64) error                         { return nil }
func (leaf) kill()                                       {}
func (leaf) remove() error                               { return nil }
