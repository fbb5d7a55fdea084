package isolate_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// pidOf returns the number of the process that it runs in.
type pidOf struct{ got chan task.Outcome[int] }

func (pidOf) Run(context.Context, string) (int, error) { return os.Getpid(), nil }

func (p pidOf) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[int]) gentask.Decision {
	p.got <- o
	return gentask.Ack()
}

var (
	pids     = make(chan task.Outcome[int], 1000)
	recycled = isolate.Work("recycled", pidOf{pids}, isolate.Config{Children: 1, Recycle: isolate.Recycle{Jobs: 10}})
	kept     = isolate.Work("kept", pidOf{pids}, isolate.Config{Children: 1})

	nowhere = isolate.Handle("nowhere", nothing, isolate.Config{Dir: "/nowhere"})
	slow    = isolate.Handle("slow", nothing, isolate.Config{StartTimeout: 10 * time.Millisecond, Env: slowEnv})
	slowEnv = append(os.Environ(), "ISOLATE_TEST_SLOW=1")
	twice   = [2]gentask.Behavior{
		isolate.Handle("twice", nothing, isolate.Config{}), isolate.Handle("twice", nothing, isolate.Config{}),
	}
	together = isolate.Handle("together", meet, isolate.Config{Children: 1, PerChild: 10})
	fatal    = isolate.Handle("fatal", func(context.Context, string) error { os.Exit(1); return nil }, isolate.Config{Children: 1})
)

func nothing(context.Context, string) error { return nil }

var met atomic.Int64

// meet returns when ten jobs are in this process.
func meet(ctx context.Context, _ string) error {
	met.Add(1)
	for met.Load() < 10 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// TestRecycle: a child ends after as many jobs as it may do, and no job is lost by that.
func TestRecycle(t *testing.T) {
	q := memory.New(memory.Config{})
	start(t, q, recycled, gentask.Config{Concurrency: 3})
	const jobs = 100
	for range jobs {
		publish(t, q, "")
	}
	processes := map[int]int{}
	for range jobs {
		o := <-pids
		require.NoError(t, o.Reason)
		processes[o.Value]++
	}
	require.Len(t, processes, jobs/10)
	for _, n := range processes {
		require.Equal(t, 10, n)
	}
}

// TestReplaced: a child that is killed while it is idle costs no job anything, and another takes
// its place.
func TestReplaced(t *testing.T) {
	q := memory.New(memory.Config{})
	start(t, q, kept, gentask.Config{})
	before := 0
	for range 20 {
		publish(t, q, "")
		o := <-pids
		require.NoError(t, o.Reason)
		require.NotEqual(t, before, o.Value)
		before = o.Value
		require.NoError(t, syscall.Kill(before, syscall.SIGKILL))
	}
}

// TestPerChild: a child may have several jobs at a time.
func TestPerChild(t *testing.T) {
	q := memory.New(memory.Config{})
	c := start(t, q, together, gentask.Config{Concurrency: 10})
	done := make(chan gentask.Event, 10)
	c.Subscribe(func(e gentask.Event) { done <- e }, gentask.EventDone)
	for range 10 {
		publish(t, q, "")
	}
	for range 10 {
		require.NoError(t, (<-done).Reason)
	}
}

// TestCantStart: where no child can start, jobs are given back, and lose no attempt.
func TestCantStart(t *testing.T) {
	for name, b := range map[string]gentask.Behavior{"directory": nowhere, "timeout": slow} {
		t.Run(name, func(t *testing.T) {
			q := memory.New(memory.Config{})
			c := start(t, q, b, gentask.Config{})
			done := make(chan gentask.Event, 10)
			c.Subscribe(func(e gentask.Event) { done <- e }, gentask.EventDone)
			publish(t, q, "")
			e := <-done
			require.ErrorIs(t, e.Reason, isolate.ErrStart)
			require.Equal(t, queue.Release, e.Disposition)
		})
	}
}

// TestReplacedOnDisk: the children are of the program that runs, even if another file is in its
// place now.
func TestReplacedOnDisk(t *testing.T) {
	path, err := os.Executable()
	require.NoError(t, err)
	aside := filepath.Join(filepath.Dir(path), "aside.test")
	require.NoError(t, os.Rename(path, aside))
	t.Cleanup(func() { require.NoError(t, os.Rename(aside, path)) })
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755)) //nolint:gosec // a program
	TestWork(t)
}

// TestMistakes: what can't work is an error of New.
func TestMistakes(t *testing.T) {
	late := isolate.Handle("late", nothing, isolate.Config{})
	for want, b := range map[string]gentask.Behavior{
		"given twice":        twice[1],
		"came after":         late,
		"Children is -1":     isolate.Handle("a", nothing, isolate.Config{Children: -1}),
		"at most 3s":         isolate.Handle("b", nothing, isolate.Config{Grace: 4 * time.Second}),
		"name of a function": isolate.Handle("", nothing, isolate.Config{}),
	} {
		_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{})
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
	_, err := gentask.New(memory.New(memory.Config{}), kept, gentask.Config{Grace: -1})
	require.ErrorContains(t, err, "Grace is 0s; want at least 100ms")
	_, err = gentask.New(memory.New(memory.Config{}), isolate.Handle[string]("none", nil, isolate.Config{}), gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	_, err = gentask.New(memory.New(memory.Config{}), twice[0], gentask.Config{})
	require.NoError(t, err)
}

// TestAttempts: a job that kills its process is tried again as often as it may, and is a dead
// letter then.
func TestAttempts(t *testing.T) {
	q := memory.New(memory.Config{})
	c := start(t, q, fatal, gentask.Config{Retry: gentask.Retry{
		MaxAttempts: 3, Backoff: gentask.Backoff{Base: time.Millisecond, Max: time.Millisecond},
	}})
	attempts := make(chan gentask.Event, 10)
	c.Subscribe(func(e gentask.Event) { attempts <- e }, gentask.EventDone)
	publish(t, q, "")
	for n := 1; n <= 3; n++ {
		e := <-attempts
		require.Equal(t, n, e.Attempt)
		var crash *isolate.CrashError
		require.ErrorAs(t, e.Reason, &crash)
	}
	require.Len(t, q.DeadLetters(), 1)
}

var tiny = isolate.Handle("tiny", nothing, isolate.Config{Children: 1, Memory: 1 << 20})

// TestTooSmall: if a child is larger than Config.Memory from its start on, jobs end with that
// reason.
func TestTooSmall(t *testing.T) {
	e := ends(t, tiny, gentask.Config{}, queue.Message{Body: []byte(`""`)})
	require.ErrorIs(t, e.Reason, isolate.ErrMemory)
	require.ErrorContains(t, e.Reason, "Config.Memory is 1 MiB")
}

// TestMistakes_Rights: all that is wrong with the limits of the system is told at once.
func TestMistakes_Rights(t *testing.T) {
	b := isolate.Command{Path: "true"}.Once(isolate.Config{
		Files: 3, Processes: 1, User: "no such user", Cgroup: t.TempDir(), Access: &isolate.Access{
			Read: []string{"relative"}, Write: []string{"/no/such/file"}, Network: true, Connect: []uint16{80},
		},
	})
	_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	for _, want := range []string{
		"Files is 3", "Processes is 1; want 0 for no limit, or at least 20", `there is no user "no such user"`,
		"Config.Cgroup is", `Access.Read has "relative"; want an absolute path`, "Access.Write: stat /no/such/file",
		"Access.Network permits all ports",
	} {
		require.ErrorContains(t, err, want)
	}
	for cfg, want := range map[*isolate.Config]string{
		{Processes: 33}:          "Config.Cgroup is empty",
		{User: "4321"}:           "want its group",
		{User: "nobody:no such"}: `there is no group "no such"`,
		{User: "4294967295:1"}:   "there is no user",
		{User: ":1"}:             "there is no user",
		{Cgroup: "no/such"}:      "Config.Cgroup is",
	} {
		_, err := gentask.New(memory.New(memory.Config{}), isolate.Command{Path: "true"}.Once(*cfg), gentask.Config{})
		require.ErrorContains(t, err, want)
	}
}
