package actor

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

func TestTrap05_WhatWasSentBeforeTheEndComesBeforeExited(t *testing.T) {
	inLab(t, func(l *lab) {
		for range 1000 {
			pid := l.child(func(ctx Context) {
				if ctx.Message() == "go" {
					Send(l.sys, ctx.Parent(), &Ready{PID: ctx.Self()}) // stands for a result
					panic("boom")
				}
			})
			Send(l.sys, pid, "go")
			for {
				m := wait(l, l.news)
				if _, ok := m.(*pa.Terminated); ok {
					continue // a system message: it overtakes
				}
				require.IsType(l, &Ready{}, m)
				break
			}
			require.Error(l, l.exited(pid))
		}
	})
}

func TestTrap06_MonitorGetsTheReason(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		pid := l.root(func(ctx Context) {
			if ctx.Message() == "go" {
				crash()
			}
		})
		process, _ := l.sys.ProcessRegistry.Get(pid)
		live, _ := l.monitor(pid)
		Send(l.sys, pid, "go")
		require.True(l, is(wait(l, live).Reason))
		synctest.Wait()
		dead, _ := l.monitor(pid)
		require.ErrorIs(l, wait(l, dead).Reason, ErrNoProcess)
		process.SendSystemMessage(pid, &pa.Watch{Watcher: l.parent}) // from a sender whose PID remembers the process
		require.Equal(l, pid.Id, wait(l, l.news).(*pa.Terminated).Who.Id)
	})
}

func TestMonitorReportsToAWatcher(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(Context) {})
		Monitor(l.sys, l.parent, pid)
		Kill(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
	})
}

func TestTrap09_NoEndIsReportedBeforeTheEnd(t *testing.T) {
	inLab(t, func(l *lab) {
		release := make(chan struct{})
		stopped := false
		pid := l.root(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				Spawn(ctx, FromFunc(func(ctx Context) {
					if _, ok := ctx.Message().(*Stopping); ok {
						<-release
					}
				}), SpawnOptions{})
			case *Stopped:
				stopped = true
			}
		})
		synctest.Wait()
		Stop(l.sys, pid)
		synctest.Wait()
		heard, _ := l.monitor(pid)
		l.do(func(ctx Context) { ctx.Watch(pid) })
		l.quiet()
		require.Empty(l, heard)
		close(release)
		require.ErrorIs(l, wait(l, heard).Reason, ErrShutdown)
		require.True(l, stopped)
		require.Equal(l, pid.Id, wait(l, l.news).(*pa.Terminated).Who.Id)
	})
}

func TestMonitorOfAForeignActor(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.sys.Root.Spawn(pa.PropsFromFunc(func(Context) {}))
		live, _ := l.monitor(pid)
		synctest.Wait()
		l.sys.Root.Stop(pid)
		require.ErrorIs(l, wait(l, live).Reason, ErrUnknown)
		dead, _ := l.monitor(pid)
		require.ErrorIs(l, wait(l, dead).Reason, ErrNoProcess)
	})
}

func TestMonitorOfAPIDWithoutAProcess(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, pid := range []*PID{nil, {}, pa.NewPID("nonhost", "never"), pa.NewPID("elsewhere", "never")} {
			heard, cancel := l.monitor(pid)
			require.ErrorIs(l, wait(l, heard).Reason, ErrNoProcess)
			cancel()
		}
		require.Zero(l, l.logs.n.Load(), "no dead letter")
	})
}

func TestMonitorCancelled(t *testing.T) {
	inLab(t, func(l *lab) {
		for name, pid := range map[string]*PID{
			"ours":    l.root(func(Context) {}),
			"foreign": l.sys.Root.Spawn(pa.PropsFromFunc(func(Context) {})),
		} {
			before := l.processes()
			heard, cancel := l.monitor(pid)
			cancel()
			cancel()
			synctest.Wait()
			require.Equal(l, before, l.processes(), "%s: the monitor is left in the registry", name)
			Stop(l.sys, pid)
			synctest.Wait()
			require.Empty(l, heard, name)
		}
	})
}

func TestMonitorsLeaveNothingBehind(t *testing.T) {
	inLab(t, func(l *lab) {
		before := l.processes()
		pid := l.root(func(Context) {})
		for range 100 {
			l.monitor(pid)
			Monitor(l.sys, l.parent, pid)
		}
		Kill(l.sys, pid)
		for range 100 {
			require.ErrorIs(l, l.exited(pid), ErrKilled)
		}
		l.quiet()
		require.Equal(l, before, l.processes())
	})
}

func TestTrap20_ParentThatAlsoWatchesGetsOneTerminated(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.child(func(Context) {})
		l.do(func(ctx Context) {
			ctx.Watch(pid)
			ctx.Watch(pid)
		})
		Stop(l.sys, pid)
		require.IsType(l, &pa.Terminated{}, wait(l, l.news))
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		l.quiet()
	})
}

func TestUnwatchedGetsNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(Context) {})
		l.do(func(ctx Context) {
			ctx.Watch(pid)
			ctx.Unwatch(pid)
		})
		Stop(l.sys, pid)
		l.quiet()
	})
}

func TestOnExitThatPanicsKeepsTheEndFromNoOther(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.child(func(Context) {})
		before, _ := l.monitor(pid)
		OnExit(l.sys, pid, func(*Exited) { panic("boom") })
		OnExit(l.sys, pid, func(*Exited) { runtime.Goexit() })
		after, _ := l.monitor(pid)
		synctest.Wait()
		Kill(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
		require.ErrorIs(l, wait(l, before).Reason, ErrKilled)
		require.ErrorIs(l, wait(l, after).Reason, ErrKilled)
		l.quiet()
	})
}

func TestOnExitMayCallItsCancel(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(Context) {})
		called := make(chan struct{})
		cancel := make(chan func(), 1)
		cancel <- OnExit(l.sys, pid, func(*Exited) {
			(<-cancel)()
			close(called)
		})
		Kill(l.sys, pid)
		wait(l, called)
	})
}

func TestMonitorIsNoActor(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(Context) {})
		heard := make(chan *Exited, 10)
		before := l.processes()
		m := newMonitor(l.sys, pid, func(e *Exited) { heard <- e })
		Send(l.sys, m.self, "hello")
		process.System(l.sys, m.self, "hello")
		l.sys.Root.Stop(m.self)
		require.Equal(l, before, l.processes(), "stopped, it is withdrawn")
		Kill(l.sys, pid)
		synctest.Wait()
		require.Empty(l, heard)
	})
}

func TestExitedIsSentExactlyOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		const actors, monitors = 200, 8
		var all sync.WaitGroup
		for i := range actors {
			pid := l.root(func(ctx Context) {
				if ctx.Message() == "go" {
					crashes[i%len(crashes)].crash()
				}
			})
			for m := range monitors {
				all.Go(func() {
					heard, cancel := l.monitor(pid)
					if m == 0 { // a monitor that is withdrawn meanwhile may get one
						cancel()
						return
					}
					require.NotNil(l, wait(l, heard))
					cancel()
					require.Empty(l, heard)
				})
			}
			all.Go(func() { Stop(l.sys, pid) })
			all.Go(func() { Kill(l.sys, pid) })
			all.Go(func() { Send(l.sys, pid, "go") })
		}
		all.Wait()
	})
}

func TestParentGetsExactlyOneExitedOfEachChild(t *testing.T) {
	inLab(t, func(l *lab) {
		const n = 500
		heard := map[string]int{}
		for range n {
			pid := l.child(func(ctx Context) {
				if ctx.Message() == "go" {
					panic("boom")
				}
			})
			var all sync.WaitGroup
			all.Go(func() { Stop(l.sys, pid) })
			all.Go(func() { Send(l.sys, pid, "go") })
			all.Wait()
		}
		synctest.Wait()
		for len(l.news) > 0 {
			if e, ok := (<-l.news).(*Exited); ok {
				heard[e.PID.Id]++
			}
		}
		require.Len(l, heard, n)
		for pid, times := range heard {
			require.Equal(l, 1, times, pid)
		}
	})
}

type question struct{ answer func(int) }

func ask(l *lab, ctx context.Context, pid *PID) (int, error) { //nolint:revive // a test's helper takes the test first
	return Ask(ctx, l.sys, pid, func(answer func(int)) any { return &question{answer} })
}

func TestAsk(t *testing.T) {
	background := context.Background()
	for name, c := range map[string]struct {
		receive func(Context, *question)
		want    int
		err     error
	}{
		"answer":           {func(_ Context, q *question) { q.answer(1) }, 1, nil},
		"two answers":      {func(_ Context, q *question) { q.answer(1); q.answer(2) }, 1, nil},
		"answer and crash": {func(_ Context, q *question) { q.answer(1); panic("boom") }, 1, nil},
		"crash":            {func(Context, *question) { panic("boom") }, 0, ErrNoProcess},
		"exit":             {func(ctx Context, _ *question) { Exit(ctx, nil) }, 0, ErrNoProcess},
		"late": {func(_ Context, q *question) {
			time.AfterFunc(time.Second, func() { q.answer(1) })
		}, 1, nil},
		"never": {func(Context, *question) {}, 0, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				pid := l.root(func(ctx Context) {
					if q, ok := ctx.Message().(*question); ok {
						c.receive(ctx, q)
					}
				})
				ctx, cancel := context.WithTimeout(background, time.Minute)
				defer cancel()
				n, err := ask(l, ctx, pid)
				require.ErrorIs(l, err, c.err)
				require.Equal(l, c.want, n)
				Stop(l.sys, pid)
				synctest.Wait()
				require.Equal(l, before, l.processes(), "nothing is left in the registry")
			})
		})
	}
}

func TestAskAPIDWithoutAProcess(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(Context) {})
		require.ErrorIs(l, l.shutdown(pid), ErrShutdown)
		for _, pid := range []*PID{pid, nil, pa.NewPID("nonhost", "never")} {
			_, err := ask(l, context.Background(), pid)
			require.ErrorIs(l, err, ErrNoProcess)
		}
	})
}

func TestTrap18_ManyWaitersEachGetTheirAnswer(t *testing.T) {
	l := newLab(t, SystemConfig{})
	pid := l.root(func(ctx Context) {
		if m, ok := ctx.Message().(func(Context)); ok {
			m(ctx)
		}
	})
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			n, err := Ask(context.Background(), l.sys, pid, func(answer func(string)) any {
				return func(Context) { go answer(fmt.Sprint(i)) }
			})
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), n)
		})
	}
	all.Wait()
	require.ErrorIs(t, l.shutdown(pid), ErrShutdown)
	require.ErrorIs(t, l.shutdown(l.parent), ErrShutdown)
}
