package isolate_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// busy starts a process of its own, tells both numbers, and runs on, whatever is asked of it.
var busy = isolate.Handle("busy", func(ctx context.Context, _ string) error {
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		return err
	}
	if err := isolate.Progress(ctx, []int{os.Getpid(), c.Process.Pid}); err != nil {
		return err
	}
	return hang()
}, isolate.Config{Children: 1, OnProgress: func(r isolate.Report) { fmt.Printf("running %s\n", r.Data) }})

// outside is busy with a process that has left the group.
var outside = isolate.Handle("outside", func(ctx context.Context, _ string) error {
	c := exec.Command("sleep", "1001")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	if err := isolate.Progress(ctx, []int{os.Getpid(), c.Process.Pid}); err != nil {
		return err
	}
	return hang()
}, isolate.Config{
	Children: 1, Cgroup: testCgroup, OnProgress: func(r isolate.Report) { fmt.Printf("running %s\n", r.Data) },
})

// parent is a program that is killed: it runs a job that hangs, until then.
func parent() {
	q := memory.New(memory.Config{})
	if err := q.Publish(context.Background(), queue.Message{Body: []byte("x")}); err != nil {
		panic(err)
	}
	behavior := busy
	if os.Getenv("ISOLATE_TEST_CGROUP") != "" {
		behavior = outside
	}
	panic(gentask.Run(context.Background(), q, behavior, gentask.Config{}))
}

// TestScenario37_ParentKilled: nothing that a parent has started outlives it, not even what its
// jobs have started, however it dies.
func TestScenario37_ParentKilled(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) { testParentKilled(t, s) })
	}
}

// TestScenario37_ParentKilledWithCgroups: the same holds for what has left its process group, if
// the children have cgroups. None of these is left.
func TestScenario37_ParentKilledWithCgroups(t *testing.T) {
	_ = os.Mkdir(testCgroup, 0o755) // or lacksCgroup says why
	missing := lacksCgroup("")
	if !upheld(t, outside, "Cgroup", missing) {
		return
	}
	t.Run("absolute", func(t *testing.T) {
		testParentKilled(t, syscall.SIGKILL, "ISOLATE_TEST_CGROUP="+testCgroup)
	})
	main := filepath.Join(testCgroup, "main")
	require.NoError(t, os.Mkdir(main, 0o755))
	t.Run("relative to that of the parent", func(t *testing.T) {
		testParentKilled(t, syscall.SIGKILL, "ISOLATE_TEST_CGROUP=..", "ISOLATE_TEST_INTO="+main)
	})
	for _, dir := range []string{main, testCgroup} {
		require.Eventually(t, func() bool { return os.Remove(dir) == nil }, time.Minute, 5*time.Millisecond)
	}
}

func testParentKilled(t *testing.T, s syscall.Signal, env ...string) {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	program := exec.Command("sh", "-c", `[ -z "$ISOLATE_TEST_INTO" ] || echo $$ >"$ISOLATE_TEST_INTO/cgroup.procs"; exec "$0"`, path)
	program.Env = append(append(os.Environ(), "ISOLATE_TEST_PARENT=1"), env...)
	output, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	var job, sleep int
	_, err = fmt.Sscanf(strings.TrimSpace(line), "running [%d,%d]", &job, &sleep)
	require.NoError(t, err, line)
	require.True(t, lives(job))
	require.True(t, lives(sleep))
	family := append(childrenOf(program.Process.Pid), fmt.Sprint(job), fmt.Sprint(sleep))
	require.NoError(t, program.Process.Signal(s))
	_ = program.Wait()
	require.Eventually(t, func() bool {
		for _, pid := range family {
			var n int
			if _, err := fmt.Sscan(pid, &n); err != nil || lives(n) {
				return false
			}
		}
		return true
	}, 10*time.Second, 5*time.Millisecond)
}

// lives reports whether a process is there and is not dead.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
