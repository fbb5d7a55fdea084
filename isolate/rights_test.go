package isolate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// here is the directory of the package, where the tests run.
var here, _ = os.Getwd()

// writable is where confined children may write. The whole of os.TempDir may have the package in
// it.
var writable = func() string {
	dir := filepath.Join(os.TempDir(), "gentask-isolate-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		panic(err)
	}
	return dir
}()

// testCgroup is where tests make cgroups: a child of the root of cgroup v2.
var testCgroup = func() string {
	if dir := os.Getenv("ISOLATE_TEST_CGROUP"); dir != "" {
		return dir
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			return filepath.Join(fields[1], "gentask-test-"+strconv.Itoa(os.Getpid()))
		}
	}
	return "/no-cgroup-here"
}()

var (
	someAccess = &isolate.Access{Read: []string{here}, Write: []string{writable}}

	caged     = isolate.Handle("caged", doWay, isolate.Config{Children: 2, Files: 64, Access: someAccess})
	networked = isolate.Handle("networked", doWay, isolate.Config{Children: 2, Access: &isolate.Access{Network: true}})
	lowly     = isolate.Handle("lowly", doWay, isolate.Config{Children: 2, User: "nobody"})
	numbered  = isolate.Handle("numbered", doWay, isolate.Config{Children: 2, User: "4321:5432"})
	lowest    = isolate.Handle("lowest", doWay, isolate.Config{Children: 2, User: "nobody", Access: someAccess})
	leafy     = isolate.Handle("leafy", doWay, isolate.Config{
		Children: 2, Cgroup: testCgroup, OnProgress: func(r isolate.Report) { escaped <- string(r.Data) },
	})
	bounded = isolate.Handle("bounded", doWay, isolate.Config{Children: 2, Cgroup: testCgroup, Processes: 64})
	weighed = isolate.Handle("weighed", doWay, isolate.Config{Children: 2, Cgroup: testCgroup, Memory: 128 << 20})
)

// beyond are ways to go beyond a limit of the system. They run in a child.
var beyond = map[string]func(ctx context.Context) error{
	"reads a file":         func(context.Context) error { return read("/etc/passwd") },
	"reads a file of root": func(context.Context) error { return read("/etc/shadow") },
	"writes a file":        func(context.Context) error { return os.WriteFile(here+"/new", nil, 0o600) },
	"runs a program":       func(context.Context) error { return exec.Command("/bin/true").Run() },
	"connects":             func(context.Context) error { return connect() },
	"listens":              func(context.Context) error { return listen() },
	"signals its parent":   func(context.Context) error { return syscall.Kill(os.Getppid(), 0) },
	"leaks files":          func(context.Context) error { return leak() },
	"stays within":         func(context.Context) error { return errors.Join(read(here+"/doc.go"), readWritten(), resolve()) },
	"uses the network":     func(context.Context) error { return listenAndConnect() },
	"is nobody":            func(context.Context) error { return who() },
	"is a number":          func(context.Context) error { return who() },
	"leaves its group":     leave,
	"fork bomb":            func(context.Context) error { return multiply() },
	"takes memory with others": func(context.Context) error {
		return exec.Command("sh", "-c", "head -c 1000000000 /dev/zero | tail").Run()
	},
}

// endsBeyond are how these ways must end. The others succeed.
var endsBeyond = map[string]fate{
	"reads a file": remote("permission denied"), "reads a file of root": remote("permission denied"),
	"writes a file": remote("permission denied"), "runs a program": remote("permission denied"),
	"connects": remote("permission denied"), "listens": remote("permission denied"),
	"signals its parent": remote("operation not permitted"), "leaks files": remote("too many open files"),
	"is nobody": isNobody, "is a number": remote("4321 5432 []"),
	"leaves its group": exited(7, ""), "fork bomb": remote("resource temporarily unavailable"),
	"takes memory with others": parentKilledByKernel,
}

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func readWritten() error {
	f, err := os.CreateTemp(writable, "file")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), read(f.Name()), os.Rename(f.Name(), f.Name()+"x"), os.Remove(f.Name()+"x"))
}

func connect() error {
	_, err := net.Dial("tcp", "127.0.0.1:9")
	return err
}

func listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

func listenAndConnect() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	return errors.Join(c.Close(), l.Close())
}

// resolve uses what is permitted without being listed.
func resolve() error {
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		return err
	}
	return errors.Join(read("/proc/self/cgroup"), os.WriteFile(os.DevNull, []byte("x"), 0))
}

func who() error {
	groups, err := os.Getgroups()
	return errors.Join(fmt.Errorf("%d %d %v", os.Getuid(), os.Getgid(), groups), err)
}

func isNobody(t *testing.T, o task.Outcome[any], letter string) {
	u, err := user.Lookup("nobody")
	require.NoError(t, err)
	remote(u.Uid+" "+u.Gid+" ["+u.Gid)(t, o, letter)
}

// escaped takes the numbers of processes that have left their group.
var escaped = make(chan string, 10)

func leave(ctx context.Context) error {
	c := exec.Command("sleep", "1001")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	if err := isolate.Progress(ctx, c.Process.Pid); err != nil {
		return err
	}
	os.Exit(7)
	return nil
}

func multiply() error {
	for {
		if err := exec.Command("sleep", "1001").Start(); err != nil {
			return err
		}
	}
}

func parentKilledByKernel(t *testing.T, o task.Outcome[any], letter string) {
	parentKilled(syscall.SIGKILL, isolate.ErrMemory)(t, o, letter)
	require.ErrorContains(t, o.Reason, "the kernel killed it")
	require.Less(t, crash(t, o).Usage.MaxRSS, uint64(1<<30))
}

// confined are the ways, with the limit that each must not go beyond.
var confined = []struct {
	limit, way string
	behavior   gentask.Behavior
	lacks      func() error // why this machine can't enforce the limit
}{
	{"Access", "reads a file", caged, lacksLandlock},
	{"Access", "reads a file", networked, lacksLandlock},
	{"Access", "writes a file", caged, lacksLandlock},
	{"Access", "runs a program", caged, lacksLandlock},
	{"Access", "connects", caged, lacksLandlock},
	{"Access", "listens", caged, lacksLandlock},
	{"Access", "leaks files", caged, lacksLandlock},
	{"Access", "stays within", caged, lacksLandlock},
	{"Access", "uses the network", networked, lacksLandlock},
	{"User", "reads a file of root", lowly, lacksRoot},
	{"User", "signals its parent", lowly, lacksRoot},
	{"User", "is nobody", lowly, lacksRoot},
	{"User", "is a number", numbered, lacksRoot},
	{"User|Access", "is nobody", lowest, func() error { return errors.Join(lacksRoot(), lacksLandlock()) }},
	{"Cgroup", "leaves its group", leafy, func() error { return lacksCgroup("") }},
	{"Cgroup", "fork bomb", bounded, func() error { return lacksCgroup("pids") }},
	{"Cgroup", "takes memory with others", weighed, func() error { return lacksCgroup("memory") }},
}

// TestScenario37_Confined: a job that goes beyond a limit of the system gets an error, or is killed
// with a reason, and its neighbours run on. A machine that can't enforce the limit refuses the
// consumer, and says what is missing.
func TestScenario37_Confined(t *testing.T) {
	if os.Mkdir(testCgroup, 0o755) == nil {
		defer func() { require.NoError(t, os.Remove(testCgroup)) }() // no cgroup is left in it
	}
	for _, c := range confined {
		t.Run(c.limit+"/"+c.way, func(t *testing.T) {
			if upheld(t, c.behavior, c.limit, c.lacks()) {
				testWayOf(t, c.behavior, c.way, time.Minute)
			}
		})
	}
	for len(escaped) > 0 {
		pid, err := strconv.Atoi(<-escaped)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !lives(pid) }, time.Minute, time.Millisecond)
	}
	requireNoChildren(t)
}

// TestScenario37_Signals: from Linux 6.12 on, a confined job can't send a signal to its parent.
func TestScenario37_Signals(t *testing.T) {
	if lacksVersion(6) == nil {
		testWayOf(t, caged, "signals its parent", time.Minute)
	}
}

// upheld reports whether a limit of a behaviour is upheld. Otherwise the machine must lack
// something, and New must name the limit.
func upheld(t *testing.T, b gentask.Behavior, limit string, missing error) bool {
	t.Helper()
	_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{})
	if missing == nil {
		require.NoError(t, err)
		return true
	}
	require.ErrorIs(t, err, gentask.ErrConfig, missing)
	require.Regexp(t, `Config\.(`+limit+`)`, err.Error())
	return false
}

func lacksRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	return nil
}

// lacksLandlock returns an error on kernels before 6.7, and where Landlock is off.
func lacksLandlock() error { return lacksVersion(4) }

func lacksVersion(want int) error {
	const createRuleset, version = 444, 1
	v, _, errno := syscall.Syscall(createRuleset, 0, 0, version)
	if errno != 0 || int(v) < want {
		return fmt.Errorf("Landlock %d: %w", v, errno)
	}
	return nil
}

// lacksCgroup returns why a test can't have a cgroup with a controller.
func lacksCgroup(controller string) error {
	offered, err := os.ReadFile(testCgroup + "/cgroup.controllers")
	if err == nil && controller != "" && !strings.Contains(string(offered), controller) {
		return fmt.Errorf("no %s in %q", controller, offered)
	}
	return err
}
