package isolate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentask/gentask/internal/guard"
)

// leaf is the cgroup of one child, by its directory. Empty means that it has none.
type leaf string

// checkCgroup returns why no child can have a cgroup with the limits of c. It makes one to find
// out.
func (c Config) checkCgroup() error {
	if c.Cgroup == "" {
		return nil
	}
	dir, err := c.cgroup()
	if err == nil {
		err = c.enable(dir)
	}
	if err != nil {
		return fmt.Errorf("isolate: Config.Cgroup is %q: %w", c.Cgroup, err)
	}
	l, err := c.newLeaf()
	if err != nil {
		return err
	}
	defer l.remove() //nolint:errcheck // it is empty
	if _, err := os.Stat(l.file("cgroup.kill")); err != nil {
		return fmt.Errorf("isolate: Config.Cgroup is %q: %w; want Linux 5.14", c.Cgroup, err)
	}
	return nil
}

// cgroup returns the directory that Cgroup stands for.
func (c Config) cgroup() (string, error) {
	dir := c.Cgroup
	if !filepath.IsAbs(dir) {
		own, err := ownCgroup()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(own, dir)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", fmt.Errorf("%s is no cgroup of version 2; want one", dir)
	}
	return dir, nil
}

// ownCgroup returns the directory of this process's cgroup.
func ownCgroup() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if path, found := strings.CutPrefix(line, "0::"); found {
				return filepath.Join(fields[1], strings.TrimSuffix(path, "\n")), nil
			}
		}
	}
	return "", errors.New("this process is in no cgroup of version 2; want the path of one")
}

// enable makes the cgroups in dir have the limits that c sets.
func (c Config) enable(dir string) error {
	for name, needed := range map[string]bool{"memory": c.Memory > 0, "pids": c.Processes > 0} {
		if !needed {
			continue
		}
		if err := enableController(dir, name); err != nil {
			return err
		}
	}
	return nil
}

func enableController(dir, name string) error {
	const has, passes = "cgroup.controllers", "cgroup.subtree_control"
	offered, err := os.ReadFile(filepath.Join(dir, has))
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(offered)), name) {
		return fmt.Errorf("it has no controller %q, but %q; want it delegated to this program",
			name, bytes.TrimSpace(offered))
	}
	passed, err := os.ReadFile(filepath.Join(dir, passes))
	if err != nil || slices.Contains(strings.Fields(string(passed)), name) {
		return err
	}
	err = write(filepath.Join(dir, passes), "+"+name)
	if guard.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w; want one that has no processes but in cgroups of its own", err)
	}
	return err
}

// newLeaf returns a cgroup for a child, with its limits.
func (c Config) newLeaf() (leaf, error) {
	if c.Cgroup == "" {
		return "", nil
	}
	dir, err := c.cgroup()
	if err == nil {
		dir, err = os.MkdirTemp(dir, "gentask-isolate-")
	}
	if err != nil {
		return "", fmt.Errorf("isolate: Config.Cgroup is %q: %w", c.Cgroup, err)
	}
	l := leaf(dir)
	if err = l.limit(c); err != nil {
		_ = l.remove() // it is empty
		return "", fmt.Errorf("isolate: Config.Cgroup is %q: %w", c.Cgroup, err)
	}
	return l, nil
}

func (l leaf) file(name string) string { return filepath.Join(string(l), name) }

// limit sets the limits of a leaf.
func (l leaf) limit(c Config) error {
	var errs []error
	if c.Memory > 0 {
		errs = append(errs, write(l.file("memory.max"), strconv.FormatUint(c.Memory, 10)),
			write(l.file("memory.oom.group"), "1"))
		err := write(l.file("memory.swap.max"), "0")
		if !guard.Is(err, unix.ENOENT) { // no swap is counted here
			errs = append(errs, err)
		}
	}
	if c.Processes > 0 {
		errs = append(errs, write(l.file("pids.max"), strconv.Itoa(c.Processes)))
	}
	return errors.Join(errs...)
}

// write writes a file that must exist.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// open makes a process start in the leaf. The file must be closed after that.
func (l leaf) open(attr *syscall.SysProcAttr) (*os.File, error) {
	if l == "" {
		return nil, nil //nolint:nilnil // closeAll takes it
	}
	f, err := os.Open(string(l))
	if err == nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
	}
	return f, err
}

// excess returns why the kernel has killed the processes of a leaf; nil if it has not.
func (l leaf) excess(limit uint64) error {
	if l == "" || limit == 0 {
		return nil
	}
	events, _ := os.ReadFile(l.file("memory.events")) // as if nothing had happened
	for line := range strings.Lines(string(events)) {
		if n, found := strings.CutPrefix(line, "oom_kill "); found && n != "0\n" {
			return fmt.Errorf("%w: the kernel killed it, with all that it has started; Config.Memory is %d MiB",
				ErrMemory, limit>>20)
		}
	}
	return nil
}

// kill kills all processes in the leaf.
func (l leaf) kill() {
	if l != "" {
		_ = write(l.file("cgroup.kill"), "1") // or it is gone
	}
}

// leafTime is how long killed processes may take to be dead.
const leafTime = 2 * time.Second

// remove removes the leaf, when the processes in it are dead.
func (l leaf) remove() error {
	if l == "" {
		return nil
	}
	for begin, wait := time.Now(), time.Millisecond; ; wait *= 2 {
		err := unix.Rmdir(string(l))
		if !guard.Is(err, unix.EBUSY) || time.Since(begin) > leafTime {
			return os.NewSyscallError("rmdir "+string(l), err)
		}
		<-time.After(wait)
	}
}
