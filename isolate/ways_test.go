package isolate_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// ways are all ways to die or misbehave, by name. They run in a child.
var ways = map[string]func(ctx context.Context) error{
	"returns":               func(context.Context) error { return nil },
	"fails":                 func(context.Context) error { return errors.New("failed") },
	"panics":                func(context.Context) error { panic("at the disco") },
	"Goexit":                func(context.Context) error { runtime.Goexit(); return nil },
	"os.Exit 0":             func(context.Context) error { os.Exit(0); return nil },
	"os.Exit 1":             func(context.Context) error { os.Exit(1); return nil },
	"log.Fatal":             func(context.Context) error { log.New(os.Stderr, "", 0).Fatal("that was it"); return nil },
	"panic in a goroutine":  func(context.Context) error { go inner(); return hang() },
	"concurrent map writes": func(context.Context) error { return writeTogether() },
	"stack overflow":        func(context.Context) error { debug.SetMaxStack(1 << 20); return errors.New(deep(1)) },
	"hangs":                 func(context.Context) error { return hang() },
	"SIGSEGV":               func(context.Context) error { return signalSelf(syscall.SIGSEGV) },
	"SIGABRT":               func(context.Context) error { return signalSelf(syscall.SIGABRT) },
	"SIGKILL":               func(context.Context) error { return signalSelf(syscall.SIGKILL) },
	"SIGTERM":               func(context.Context) error { return signalSelf(syscall.SIGTERM) },
	"SIGSTOP":               func(context.Context) error { return signalSelf(syscall.SIGSTOP) },
	"10 GB":                 func(context.Context) error { return hoard() },
	"spins":                 func(context.Context) error { return spin() },
	"many processes":        func(context.Context) error { return forks() },
	"closes its pipe":       func(context.Context) error { _ = syscall.Close(4); return hang() },
	"closes its input":      func(context.Context) error { _ = syscall.Close(3); return nil },
	"closes its output":     func(context.Context) error { _ = os.Stdout.Close(); _ = os.Stderr.Close(); return nil },
	"garbage":               func(context.Context) error { return write(strings.Repeat("garbage ", 1000)) },
	"a frame of 4 GB":       func(context.Context) error { return write("\xff\xff\xff\xff\x04\x00\x00\x00\x01") },
	"half a result": func(context.Context) error {
		_ = write("\x00\x00\x00\x40\x04\x00\x00\x00\x01\x01")
		os.Exit(3)
		return nil
	},
	"ignores SIGTERM":       func(context.Context) error { signal.Ignore(syscall.SIGTERM); return hang() },
	"grandchild with pipes": func(context.Context) error { return grandchild() },
	"leaks files":           func(context.Context) error { return leak() },
	"floods the log":        func(context.Context) error { return flood() },
	"writes a lot":          func(context.Context) error { return chatter() },
	"heeds its context":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
}

//go:noinline
func inner() { panic("in a goroutine") }

func hang() error { select {} }

func writeTogether() error {
	m := map[int]int{}
	for range 4 {
		go func() {
			for {
				m[1]++
			}
		}()
	}
	return hang()
}

//go:noinline
func deep(n int) string {
	if n < 0 {
		return ""
	}
	return deep(n+1) + "x"
}

func signalSelf(s syscall.Signal) error {
	_ = syscall.Kill(os.Getpid(), s)
	return hang()
}

func hoard() error {
	var all [][]byte
	for range 10 << 10 / 16 {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	return errors.New(string(all[0][:1]))
}

func spin() error {
	for n := 0; ; n++ {
		if n < 0 {
			return nil
		}
	}
}

func forks() error {
	for range 30 {
		if err := exec.Command("sleep", "1000").Start(); err != nil {
			return err
		}
	}
	os.Exit(7)
	return nil
}

func write(s string) error {
	if _, err := syscall.Write(4, []byte(s)); err != nil {
		return err
	}
	return nil
}

func grandchild() error {
	c := exec.Command("sleep", "1000")
	c.Stdout, c.Stderr, c.ExtraFiles = os.Stdout, os.Stderr, []*os.File{os.NewFile(4, "out")}
	if err := c.Start(); err != nil {
		return err
	}
	os.Exit(8)
	return nil
}

func leak() error {
	for {
		if _, err := os.Open(os.DevNull); err != nil {
			return err
		}
	}
}

func flood() error {
	for {
		slog.Default().Info("flood", "of", strings.Repeat("words ", 10_000))
	}
}

func chatter() error {
	_, err := io.WriteString(os.Stdout, strings.Repeat("words, words, words\n", 100_000))
	return errors.Join(err, errors.New("said enough"))
}

// fates are how each way must end.
var fates = map[string]func(t *testing.T, o task.Outcome[any], letter string){
	"fails": remote("failed"),
	"panics": func(t *testing.T, o task.Outcome[any], _ string) {
		require.True(t, gentask.WhenPanic(o.Status, o.Reason))
	},
	"Goexit": func(t *testing.T, o task.Outcome[any], _ string) { require.ErrorIs(t, o.Reason, actor.ErrGoexit) },

	"os.Exit 0": exited(0, ""), "os.Exit 1": exited(1, ""), "log.Fatal": exited(1, "that was it"),
	"panic in a goroutine":  trace("panic: in a goroutine", "isolate_test.inner"),
	"concurrent map writes": trace("fatal error: concurrent map ", "isolate_test.writeTogether"),
	"stack overflow":        trace("goroutine stack exceeds", "isolate_test.deep"),
	"SIGSEGV":               trace("SIGSEGV", ""), "SIGABRT": trace("SIGABRT", ""),
	"SIGKILL": killed(syscall.SIGKILL), "SIGTERM": killed(syscall.SIGTERM),
	"many processes": exited(7, ""), "grandchild with pipes": exited(8, ""), "half a result": exited(3, ""),

	"hangs": parentKilled(syscall.SIGTERM, isolate.ErrUnresponsive), "SIGSTOP": unresponsive,
	"ignores SIGTERM": parentKilled(syscall.SIGKILL, isolate.ErrUnresponsive),
	"10 GB":           parentKilled(syscall.SIGKILL, isolate.ErrMemory),
	"spins":           parentKilled(syscall.SIGKILL, isolate.ErrCPU),
	"closes its pipe": parentKilled(syscall.SIGKILL, isolate.ErrProtocol),
	"garbage":         parentKilled(syscall.SIGKILL, isolate.ErrProtocol),
	"a frame of 4 GB": parentKilled(syscall.SIGKILL, isolate.ErrProtocol),
	"floods the log":  parentKilled(syscall.SIGKILL, isolate.ErrProtocol),

	"leaks files": remote("too many open files"), "writes a lot": remote("said enough"),
	"heeds its context": func(t *testing.T, o task.Outcome[any], _ string) { require.ErrorIs(t, o.Reason, task.ErrTimeout) },
}

type fate = func(*testing.T, task.Outcome[any], string)

func remote(text string) fate {
	return func(t *testing.T, o task.Outcome[any], _ string) {
		var e *isolate.Error
		require.ErrorAs(t, o.Reason, &e)
		require.Contains(t, e.Text, text)
	}
}

func crash(t *testing.T, o task.Outcome[any]) *isolate.CrashError {
	var c *isolate.CrashError
	require.ErrorAs(t, o.Reason, &c)
	require.True(t, isolate.WhenCrash()(o.Status, o.Reason))
	return c
}

func exited(code int, output string) fate {
	return func(t *testing.T, o task.Outcome[any], _ string) {
		c := crash(t, o)
		require.Equal(t, code, c.ExitCode)
		require.Zero(t, c.Signal)
		require.Contains(t, c.Stderr, output)
	}
}

func killed(s syscall.Signal) fate {
	return func(t *testing.T, o task.Outcome[any], letter string) {
		c := crash(t, o)
		require.Equal(t, s, c.Signal)
		require.NoError(t, c.Err)
		require.True(t, isolate.WhenCrash(s)(o.Status, o.Reason))
		require.False(t, isolate.WhenCrash(syscall.SIGUSR1)(o.Status, o.Reason))
		require.Contains(t, letter, s.String())
	}
}

func parentKilled(s syscall.Signal, why error) fate {
	return func(t *testing.T, o task.Outcome[any], _ string) {
		require.ErrorIs(t, o.Reason, why)
		require.Equal(t, s, crash(t, o).Signal)
	}
}

func unresponsive(t *testing.T, o task.Outcome[any], _ string) {
	require.ErrorIs(t, o.Reason, isolate.ErrUnresponsive)
	require.Equal(t, syscall.SIGKILL, crash(t, o).Signal)
}

func trace(first, function string) fate {
	return func(t *testing.T, o task.Outcome[any], letter string) {
		c := crash(t, o)
		require.Contains(t, c.Goroutines, first)
		require.Contains(t, letter, first)
		require.Contains(t, c.Stack(), function)
		if function != "" {
			require.NotEmpty(t, queue.Fingerprint(c.Stack()))
		}
	}
}

var (
	mortal  = isolate.Handle("mortal", doWay, isolate.Config{Children: 2, Memory: 256 << 20, Files: 64})
	spinner = isolate.Handle("spinner", doWay, isolate.Config{Children: 2, CPU: 300 * time.Millisecond})
)

func doWay(ctx context.Context, way string) error {
	if job, _ := isolate.FromContext(ctx); job.Attempt != 1 {
		panic("no second attempt")
	}
	if f, is := ways[way]; is {
		return f(ctx)
	}
	return beyond[way](ctx)
}

// TestScenario37_WaysToDie: whatever a job does to its process, its delivery is settled once, with
// the reason, its neighbours in the same pool run on untouched, and no process and no descriptor is
// left.
func TestScenario37_WaysToDie(t *testing.T) {
	t.Run("first", func(t *testing.T) { testWay(t, "returns") }) // what the runtime opens once
	files := openFiles(t)
	for way := range ways {
		t.Run(way, func(t *testing.T) { testWay(t, way) })
	}
	require.Equal(t, files, openFiles(t))
	requireNoChildren(t)
}

func testWay(t *testing.T, way string) {
	t.Helper()
	behavior, timeout := mortal, time.Minute
	switch way {
	case "spins":
		behavior = spinner
	case "hangs", "SIGSTOP", "ignores SIGTERM", "heeds its context":
		timeout = 3 * time.Second // the parent ends it
	}
	testWayOf(t, behavior, way, timeout)
}

// testWayOf runs a job that goes a way to die, among 100 others.
func testWayOf(t *testing.T, behavior gentask.Behavior, way string, timeout time.Duration) {
	t.Helper()
	q := memory.New(memory.Config{})
	var neighbours, settled atomic.Int64
	reason := make(chan gentask.Event, 1)
	c := start(t, q, behavior, gentask.Config{
		Concurrency: 2, Timeout: timeout, Grace: 3 * time.Second, Retry: gentask.Retry{MaxAttempts: 1},
	})
	c.Subscribe(func(e gentask.Event) {
		switch {
		case e.ID != "victim":
			require.NoError(t, e.Reason)
			neighbours.Add(1)
		case settled.Add(1) == 1:
			reason <- e
		}
	}, gentask.EventDone)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "victim", Body: []byte(way)}))
	publish(t, q, strings.Split(strings.Repeat("returns ", 99)+"returns", " ")...)
	e := <-reason
	require.Eventually(t, func() bool { return neighbours.Load() == 100 }, time.Minute, time.Millisecond)
	require.EqualValues(t, 1, settled.Load())
	check, dies := fates[way]
	if !dies {
		check, dies = endsBeyond[way]
	}
	if !dies {
		require.NoError(t, e.Reason)
		return
	}
	letters := q.DeadLetters()
	require.Len(t, letters, 1)
	check(t, task.Outcome[any]{Status: task.Exit, Reason: e.Reason}, letters[0].Headers[queue.HeaderReason])
}
