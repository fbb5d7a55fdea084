package isolate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// system returns where programs have what they load.
func system() (paths []string) {
	for _, path := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		if _, err := os.Stat(path); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// crashOf runs a job, and returns how its program has ended.
func crashOf(t *testing.T, b gentask.Behavior, cfg gentask.Config) *isolate.CrashError {
	t.Helper()
	cfg.Retry.MaxAttempts = 1
	e := ends(t, b, cfg, queue.Message{})
	var crash *isolate.CrashError
	require.ErrorAs(t, e.Reason, &crash)
	return crash
}

// TestCommand_Files: a program of any kind has the limit of open files.
func TestCommand_Files(t *testing.T) {
	cfg := isolate.Config{Children: 1, Files: 33}
	once := isolate.Command{Path: "sh", Args: []string{"-c", `exit "$(ulimit -n)"`}}.Once(cfg)
	t.Run("once", func(t *testing.T) { require.Equal(t, 33, crashOf(t, once, gentask.Config{}).ExitCode) })
	serve := isolate.Command{Path: "sh", Args: []string{"-c", `echo '{"hello":{"version":1}}'; read -r line
		echo '{"result":{"call":1,"error":"'"$(ulimit -n) files"'"}}'; read -r line`}}.Serve(cfg)
	t.Run("serve", func(t *testing.T) {
		require.ErrorContains(t, ends(t, serve, gentask.Config{}, queue.Message{}).Reason, "33 files")
	})
	requireNoChildren(t)
}

// TestCommand_Launched: a program that was started by way of a launcher has its arguments and its
// environment, and nothing of the launcher's. It ends like any other.
func TestCommand_Launched(t *testing.T) {
	launched := func(args ...string) gentask.Behavior {
		return isolate.Command{Path: "sh", Args: append([]string{"-c"}, args...)}.Once(isolate.Config{
			Files: 33, Env: []string{"PATH=" + os.Getenv("PATH"), runVariable + "=" + os.Getenv(runVariable), "A=1", "GENTASK_ID=not this one", "B=2"},
		})
	}
	script := `[ "$1" = "$(printf 'caf\351')" ] && [ "$A$B$GENTASK_ID" = 12id ] && ! env | grep GENTASK_ISOLATE && [ ! -e /dev/fd/3 ]`
	t.Run("first", func(t *testing.T) { // what the runtime opens once
		require.Equal(t, 1, crashOf(t, launched("exit 1"), gentask.Config{}).ExitCode)
	})
	files := openFiles(t)
	t.Run("arguments", func(t *testing.T) {
		e := ends(t, launched(script, "sh", "caf\xe9"), gentask.Config{}, queue.Message{ID: "id"})
		require.NoError(t, e.Reason)
	})
	t.Run("path", func(t *testing.T) {
		odd := filepath.Join(t.TempDir(), "caf\xe9")
		require.NoError(t, os.WriteFile(odd, []byte("#!/bin/sh\nexit 3\n"), 0o700)) //nolint:gosec // a program
		once := isolate.Command{Path: odd}.Once(isolate.Config{Files: 33})
		require.Equal(t, 3, crashOf(t, once, gentask.Config{}).ExitCode)
	})
	t.Run("timeout", func(t *testing.T) {
		cfg := gentask.Config{Timeout: 200 * time.Millisecond, Grace: 10 * time.Second}
		require.EqualValues(t, 15, crashOf(t, launched("sleep 1000"), cfg).Signal)
	})
	requireNoChildren(t)
	require.Equal(t, files, openFiles(t))
}

// TestCommand_DiesWithParent: the kernel kills a program when its parent dies, whatever thread of
// the launcher has become the program.
func TestCommand_DiesWithParent(t *testing.T) {
	script := `import ctypes, sys
n = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(n)) # PR_GET_PDEATHSIG
sys.exit(n.value)`
	c := isolate.Command{Path: "python3", Args: []string{"-c", script}}
	for range 5 {
		require.Equal(t, 9, crashOf(t, c.Once(isolate.Config{Files: 33}), gentask.Config{}).ExitCode)
	}
}

// TestCommand_Access: a program of any kind reaches the files and ports that it may, and no others.
func TestCommand_Access(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	may := &isolate.Access{Read: system(), Write: []string{t.TempDir()}, Connect: []uint16{uint16(port)}}
	behavior := func(path string, args ...string) gentask.Behavior {
		return isolate.Command{Path: path, Args: args}.Once(isolate.Config{Access: may})
	}
	if !upheld(t, behavior("sh"), "Access", lacksLandlock()) {
		return
	}
	run := func(b gentask.Behavior) string {
		e := ends(t, b, gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}}, queue.Message{})
		if e.Reason == nil {
			return ""
		}
		var crash *isolate.CrashError
		require.ErrorAs(t, e.Reason, &crash)
		return e.Reason.Error() + crash.Stderr
	}
	require.Contains(t, crashOf(t, behavior("cat", "/etc/passwd"), gentask.Config{}).Stderr, "Permission denied")
	require.Empty(t, run(behavior("sh", "-c", `cd "$0" && echo x > y && mkdir z && mv y z && cat z/y && rm -r z && ls`, may.Write[0])))
	dial := "exec 3<>/dev/tcp/127.0.0.1/$0"
	require.Empty(t, run(behavior("bash", "-c", dial, fmt.Sprint(port))))
	require.Contains(t, run(behavior("bash", "-c", dial, fmt.Sprint(port^1))), "Permission denied")
}

// TestCommand_CantLimit: if a limit can't be put in force any more, the program does not run, and
// the job loses no attempt.
func TestCommand_CantLimit(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(gone, 0o700))
	ran := filepath.Join(t.TempDir(), "ran")
	cfg := isolate.Config{Children: 1, Access: &isolate.Access{Read: append(system(), gone), Write: []string{"/"}}}
	c := isolate.Command{Path: "sh", Args: []string{"-c", "touch " + ran}}
	if !upheld(t, c.Once(cfg), "Access", lacksLandlock()) {
		return
	}
	for _, b := range []gentask.Behavior{c.Once(cfg), c.Serve(cfg)} {
		require.NoError(t, os.MkdirAll(gone, 0o700))
		q := memory.New(memory.Config{})
		publish(t, q, "x")
		consumer, err := gentask.New(q, b, gentask.Config{Logger: quiet})
		require.NoError(t, err)
		done := make(chan gentask.Event, 10)
		consumer.Subscribe(func(e gentask.Event) { done <- e }, gentask.EventDone)
		require.NoError(t, os.Remove(gone))
		require.NoError(t, consumer.Start())
		e := <-done
		_, err = consumer.Stop(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, e.Reason, isolate.ErrStart)
		require.ErrorContains(t, e.Reason, gone)
		require.Equal(t, queue.Release, e.Disposition)
	}
	require.NoFileExists(t, ran)
	requireNoChildren(t)
}
