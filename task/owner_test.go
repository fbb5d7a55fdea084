package task

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

func TestAdoptMovesTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		first, second, third := newOwner(t, sys), newOwner(t, sys), newOwner(t, sys)
		task, err := s.Spawn(Spec{Run: untyped(untilDone), Owner: first.pid, Timeout: time.Second})
		require.NoError(t, err)
		task.Adopt(second.pid)
		require.Equal(t, Timeout, second.next(t).Status)
		task.Stop(nil, 0)
		o := second.next(t)
		require.Equal(t, Exit, o.Status)
		task.Adopt(third.pid)
		require.Equal(t, o, third.next(t), "once more, for whoever comes late")
		first.quiet(t)
	})
}

func TestIgnoreDropsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		own := newOwner(t, sys)
		task, err := s.Spawn(Spec{
			Run:   func(context.Context) (any, error) { time.Sleep(time.Minute); return 1, nil },
			Owner: own.pid, Timeout: time.Second,
		})
		require.NoError(t, err)
		task.Ignore()
		require.Equal(t, 1, s.Stats().Running)
		time.Sleep(time.Hour)
		own.quiet(t)
		require.Equal(t, Stats{Started: 1, Late: 1}, s.Stats())
	})
}

// A handle can be kept for long; what the task worked on must not be.
func TestAHandleKeepsNoPayload(t *testing.T) {
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
	own := newOwner(t, sys)
	freed := make(chan int, 2)
	start := func(i int, run func(func(context.Context) (any, error))) {
		payload := new([1 << 16]byte)
		runtime.AddCleanup(payload, func(i int) { freed <- i }, i)
		run(func(context.Context) (any, error) { return len(payload), nil })
	}
	var handles []*Task[any]
	start(0, func(f func(context.Context) (any, error)) {
		task, err := s.Spawn(Spec{Run: f, Owner: own.pid, Timeout: time.Hour})
		require.NoError(t, err)
		handles = append(handles, task)
		own.next(t)
	})
	start(1, func(f func(context.Context) (any, error)) {
		task, err := Start(t.Context(), s, f)
		require.NoError(t, err)
		handles = append(handles, task)
		task.Yield(Forever)
	})
	require.Eventually(t, func() bool { runtime.GC(); return len(freed) == 2 }, time.Minute, time.Millisecond)
	runtime.KeepAlive(handles)
}
