package isolate

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The versions of Landlock's interface that are needed, and the kernels that have them.
const (
	versionFiles = 3 // Linux 6.2: without it, files could be cut
	versionPorts = 4 // Linux 6.7
	versionIoctl = 5 // Linux 6.10
	versionScope = 6 // Linux 6.12
)

// Rights to files and directories.
const (
	accessFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	accessRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR
	accessAll    = unix.LANDLOCK_ACCESS_FS_TRUNCATE<<1 - 1 // of versionFiles
	accessWrite  = (accessAll | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV) &^ accessDevice
	accessDevice = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
)

// landlockVersion returns the version that the kernel has.
func landlockVersion() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno { //nolint:exhaustive // of all numbers
	case 0:
		return int(v), nil
	case unix.ENOSYS:
		return 0, errors.New("this kernel has no Landlock")
	case unix.EOPNOTSUPP:
		return 0, errors.New("this kernel has Landlock switched off; want it in the list of lsm= at boot")
	}
	return 0, fmt.Errorf("no Landlock: %w", errno)
}

// accessSupported returns why the kernel can't enforce a.
func accessSupported(a *Access) error {
	version, err := landlockVersion()
	switch {
	case err != nil:
		return fmt.Errorf("isolate: Config.Access is set, but %w; want Linux 6.7 with Landlock", err)
	case version < versionFiles:
		return fmt.Errorf("isolate: Config.Access is set, but Landlock has version %d; want %d, of Linux 6.2",
			version, versionFiles)
	case version < versionPorts && !a.Network:
		return fmt.Errorf("isolate: Config.Access limits ports, but Landlock has version %d; want %d, of Linux 6.7, "+
			"or Access.Network", version, versionPorts)
	}
	return nil
}

// ruleset is one of Landlock's, before it is in force.
type ruleset struct {
	fd    int
	files uint64 // what it forbids, but for its rules
}

// newRuleset returns one that permits nothing.
func newRuleset(version int, network bool) (ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: accessAll}
	if version >= versionIoctl {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if !network {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= versionScope {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	size := unsafe.Sizeof(attr)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return ruleset{}, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return ruleset{int(fd), attr.Handled_access_fs}, nil
}

// path permits access to a file, or to all that is below a directory.
func (r ruleset) path(path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) //nolint:errcheck // there is no data in it
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= accessFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access & r.files, Parent_fd: int32(fd)}
	if errno := r.add(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule)); errno != 0 {
		return &os.PathError{Op: "landlock_add_rule", Path: path, Err: errno}
	}
	return nil
}

// ruleNetPort is LANDLOCK_RULE_NET_PORT, whose attribute is landlock_net_port_attr.
const ruleNetPort = 2

// ports permits access to TCP ports.
func (r ruleset) ports(ports []uint16, access uint64) error {
	for _, port := range ports {
		rule := struct{ access, port uint64 }{access, uint64(port)}
		if errno := r.add(ruleNetPort, unsafe.Pointer(&rule)); errno != 0 {
			return fmt.Errorf("port %d: %w", port, os.NewSyscallError("landlock_add_rule", errno))
		}
	}
	return nil
}

func (r ruleset) add(kind uintptr, rule unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), kind, uintptr(rule), 0, 0, 0)
	return errno
}

// enforce puts the rules in force for this thread, and for what it becomes and starts.
func (r ruleset) enforce() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0)
	return os.NewSyscallError("landlock_restrict_self", asError(errno))
}

// asError returns nil for no error.
func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// restrict limits this thread to a, before it becomes a program. An empty path is this one.
func (a *Access) restrict(program string) error {
	version, err := landlockVersion()
	if err != nil {
		return err
	}
	r, err := newRuleset(version, a.Network)
	if err != nil {
		return err
	}
	defer unix.Close(r.fd) //nolint:errcheck // there is no data in it
	if err := errors.Join(r.basics(program), r.listed(a)); err != nil {
		return err
	}
	return r.enforce()
}

// listed permits what a lists.
func (r ruleset) listed(a *Access) error {
	var errs []error
	for _, path := range a.Read {
		errs = append(errs, r.path(path, accessRead))
	}
	for _, path := range a.Write {
		errs = append(errs, r.path(path, accessWrite))
	}
	errs = append(errs, r.ports(a.Connect, unix.LANDLOCK_ACCESS_NET_CONNECT_TCP))
	return errors.Join(append(errs, r.ports(a.Listen, unix.LANDLOCK_ACCESS_NET_BIND_TCP))...)
}

// basics permits what any program needs. The devices take what is written to them.
func (r ruleset) basics(program string) error {
	for _, path := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"} {
		_ = r.path(path, unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_WRITE_FILE) // or it is not there
	}
	for _, path := range []string{"/etc/localtime", "/usr/share/zoneinfo", "/proc/self", "/sys/fs/cgroup"} {
		_ = r.path(path, accessRead&^unix.LANDLOCK_ACCESS_FS_EXECUTE) // likewise
	}
	if program != "" {
		return r.path(program, accessRead)
	}
	for _, path := range loaded() {
		_ = r.path(path, accessRead) // it can't be loaded then, which is a clearer error
	}
	return r.path(self(), accessRead)
}

// loaded returns the files that are part of this process: its program and its libraries.
func loaded() []string {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	seen, paths := map[string]bool{}, []string(nil)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, path, found := strings.Cut(lines.Text(), " /")
		if found && !seen[path] {
			seen[path] = true
			paths = append(paths, "/"+path)
		}
	}
	return paths
}
