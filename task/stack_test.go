package task

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

func TestTasksListsWhatHasNotReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := started(t, Config{Partitions: 3}), t.Context()
		var tasks []*Task[int]
		for i := range 10 {
			task, err := startNamed(ctx, s, fmt.Sprint("task ", i), untilDone)
			require.NoError(t, err)
			tasks = append(tasks, task)
			time.Sleep(time.Second)
		}
		tasks[3].Shutdown(0)
		list, err := s.Tasks(ctx)
		require.NoError(t, err)
		require.Len(t, list, 9)
		require.Equal(t, Info{ID: tasks[0].ID(), Name: "task 0", PID: list[0].PID, Age: 10 * time.Second}, list[0])
		require.Equal(t, Info{ID: tasks[4].ID(), Name: "task 4", PID: list[3].PID, Age: 6 * time.Second}, list[3])
		require.NotEqual(t, list[0].PID, list[3].PID)
	})
}

func TestTasksOfASupervisorThatDoesNotRun(t *testing.T) {
	s, err := New(Config{})
	require.NoError(t, err)
	_, err = s.Tasks(t.Context())
	require.Equal(t, ErrClosed, err)
	_, err = s.Stacks(t.Context())
	require.Equal(t, ErrClosed, err)

	require.NoError(t, s.Start(t.Context(), actor.NewSystem(actor.SystemConfig{})))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool { _, err = s.Tasks(ended); return err != nil }, time.Minute, time.Millisecond)
	require.Equal(t, context.Canceled, err)
	closed(t, s)
}

func TestTasksWhileTheyComeAndGo(t *testing.T) {
	s := started(t, Config{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					Run(t.Context(), s, 0, value(1))
				}
			}
		})
	}
	for range 200 {
		list, err := s.Tasks(t.Context())
		require.NoError(t, err)
		for _, info := range list {
			require.NotNil(t, info.PID)
		}
	}
	close(stop)
	wg.Wait()
	_, err := s.Stacks(t.Context())
	require.NoError(t, err)
}

// Each stack is that of its own task, beside any others, and however deep it is.
func TestStacksAreTheTasksOwn(t *testing.T) {
	s, ctx := started(t, Config{}), t.Context()
	const n = 200
	release, ready := make(chan struct{}), make(chan struct{})
	for i := range n {
		f := func(context.Context) (int, error) { return dive(i, ready, release), nil }
		_, err := startNamed(ctx, s, fmt.Sprintf("dive(0x%x,", i), f)
		require.NoError(t, err)
	}
	for range n {
		<-ready
	}
	list, err := s.Stacks(ctx)
	require.NoError(t, err)
	close(release)
	require.Len(t, list, n)
	for _, info := range list {
		require.Contains(t, info.Stack, "task."+info.Name)
		require.Equal(t, 1, strings.Count(info.Stack, "task.dive("), info.Stack)
	}
}

// dive waits n frames deep.
//
//go:noinline
func dive(n int, ready chan<- struct{}, release <-chan struct{}) int {
	if sink := deeper(n, ready, release); sink > n {
		return sink
	}
	return n
}

//go:noinline
func deeper(n int, ready chan<- struct{}, release <-chan struct{}) int {
	if n > 0 {
		return deeper(n-1, ready, release) + 1
	}
	ready <- struct{}{}
	<-release
	return 0
}

func TestStackShowsTheGoroutinesOfTheTask(t *testing.T) {
	s := started(t, Config{})
	release, ready := make(chan struct{}), make(chan struct{})
	task, err := Start(t.Context(), s, func(ctx context.Context) (int, error) {
		for range 2 {
			if err := Go(ctx, func(context.Context) error { dive(0, ready, release); return nil }); err != nil {
				return 0, err
			}
		}
		return dive(0, ready, release), nil
	})
	require.NoError(t, err)
	other, err := Start(t.Context(), s, func(context.Context) (int, error) { return dive(0, ready, release), nil })
	require.NoError(t, err)
	for range 4 {
		<-ready
	}
	require.Equal(t, 3, strings.Count(task.Stack(), "task.dive("), task.Stack())
	require.Equal(t, 1, strings.Count(other.Stack(), "task.dive("))
	close(release)
	require.Equal(t, OK, task.Yield(Forever).Status)
	require.Eventually(t, func() bool { return task.Stack() == "" }, time.Minute, time.Millisecond)
}

func TestStackOfATaskThatReadsItsOwn(t *testing.T) {
	s := started(t, Config{})
	o := Run(t.Context(), s, 0, func(ctx context.Context) (string, error) {
		return ctx.Value(runKey{}).(*run).handle.Stack(), nil
	})
	require.Contains(t, o.Value, "TestStackOfATaskThatReadsItsOwn")
}

// startNamed is Start with a name for listings.
func startNamed(
	ctx context.Context, s *Supervisor, name string, f func(context.Context) (int, error),
) (*Task[int], error) {
	spec := Spec{Run: func(ctx context.Context) (any, error) { return f(ctx) }, Name: name, Parent: ctx}
	untyped, err := s.Spawn(spec)
	if err != nil {
		return nil, err
	}
	return &Task[int]{run: untyped.run}, nil
}
