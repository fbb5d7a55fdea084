package actor

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

func TestExit(t *testing.T) {
	for name, c := range map[string]struct {
		receive func(Context)
		want    error
	}{
		"nil":                {func(ctx Context) { Exit(ctx, nil) }, nil},
		"an error":           {func(ctx Context) { Exit(ctx, errBoom) }, errBoom},
		"twice":              {func(ctx Context) { Exit(ctx, nil); Exit(ctx, errBoom) }, nil},
		"killed afterwards":  {func(ctx Context) { Exit(ctx, errBoom); Kill(ctx.ActorSystem(), ctx.Self()) }, errBoom},
		"stopped":            {func(ctx Context) { Stop(ctx.ActorSystem(), ctx.Self()) }, ErrShutdown},
		"stopped by context": {func(ctx Context) { ctx.Stop(ctx.Self()) }, ErrShutdown},
		"poisoned":           {func(ctx Context) { ctx.Poison(ctx.Self()) }, ErrShutdown},
		"killed":             {func(ctx Context) { Kill(ctx.ActorSystem(), ctx.Self()) }, ErrKilled},
		"then a crash":       {func(ctx Context) { Exit(ctx, nil); panic(errBoom) }, errBoom},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				pid := l.child(func(ctx Context) {
					if ctx.Message() == "go" {
						c.receive(ctx)
					}
				})
				Send(l.sys, pid, "go")
				require.ErrorIs(l, l.exited(pid), c.want)
				l.quiet()
			})
		})
	}
}

func TestExitDropsMessagesThatWait(t *testing.T) {
	inLab(t, func(l *lab) {
		got := 0
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(int); ok {
				got++
				Exit(ctx, nil)
			}
		})
		for i := range 10 {
			Send(l.sys, pid, i)
		}
		require.NoError(l, l.exited(pid))
		require.Equal(l, 1, got)
	})
}

func TestAbnormal(t *testing.T) {
	require.False(t, Abnormal(nil))
	require.False(t, Abnormal(fmt.Errorf("drained: %w", ErrShutdown)))
	for _, reason := range []error{ErrKilled, ErrGoexit, ErrUnknown, ErrNoProcess, errBoom, &PanicError{}} {
		require.True(t, Abnormal(reason), reason)
	}
}

// trapper traps stops and counts the requests. "exit" makes it exit, "crash" crash.
func trapper(requests *atomic.Int32) ReceiveFunc {
	return func(ctx Context) {
		switch ctx.Message() {
		case "exit":
			Exit(ctx, errBoom)
		case "crash":
			panic("boom")
		}
		switch ctx.Message().(type) {
		case *Started:
			TrapStop(ctx)
		case *StopRequest:
			requests.Add(1)
		}
	}
}

func TestTrapStopGetsEveryStopAndEndsByExit(t *testing.T) {
	inLab(t, func(l *lab) {
		var requests atomic.Int32
		pid := l.child(trapper(&requests))
		for range 3 {
			Stop(l.sys, pid)
		}
		l.quiet()
		require.EqualValues(l, 3, requests.Load())
		Send(l.sys, pid, "exit")
		require.Same(l, errBoom, l.exited(pid))
	})
}

func TestTrapStopGetsAStopThatCameBeforeStarted(t *testing.T) {
	inLab(t, func(l *lab) {
		var requests atomic.Int32
		var pid *PID
		l.do(func(ctx Context) {
			pid = Spawn(ctx, FromFunc(func(c Context) {
				if _, ok := c.Message().(*Started); ok {
					Stop(l.sys, c.Self()) // in the queue before TrapStop
				}
				trapper(&requests)(c)
			}), SpawnOptions{Monitor: true})
			Stop(l.sys, pid)
		})
		l.quiet()
		require.EqualValues(l, 2, requests.Load())
		Send(l.sys, pid, "exit")
		require.Same(l, errBoom, l.exited(pid))
	})
}

func TestTrapStopGetsItsParentsStopOnceAndHoldsItUp(t *testing.T) {
	inLab(t, func(l *lab) {
		var requests atomic.Int32
		var child atomic.Pointer[PID]
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				child.Store(Spawn(ctx, FromFunc(trapper(&requests)), SpawnOptions{}))
				for range 5 { // whose ends are progress of the parent's stop
					Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
				}
			}
		})
		synctest.Wait()
		Stop(l.sys, pid)
		l.quiet()
		require.EqualValues(l, 1, requests.Load())
		Send(l.sys, child.Load(), "exit")
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
	})
}

func TestTrapStopTrapsNeitherCrashNorKill(t *testing.T) {
	inLab(t, func(l *lab) {
		var requests atomic.Int32
		pid := l.child(trapper(&requests))
		Send(l.sys, pid, "crash")
		require.ErrorContains(l, l.exited(pid), "boom")
		pid = l.child(trapper(&requests))
		Kill(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
		require.Zero(l, requests.Load())
	})
}

func TestTrap08_AbandonedChildDoesNotHoldUpItsParent(t *testing.T) {
	for name, late := range map[string]func(){
		"returns": func() {}, "panics": func() { panic("late") }, "Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				release := make(chan struct{})
				pid := l.child(func(ctx Context) {
					if ctx.Message() == "hang" {
						<-release
						late()
					}
				})
				heard, _ := l.monitor(pid)
				Send(l.sys, pid, "hang")
				synctest.Wait()
				Stop(l.sys, pid)
				l.do(func(ctx Context) { process.Abandon(ctx, pid) })
				require.Equal(l, pid.Id, wait(l, l.news).(*pa.Terminated).Who.Id)
				require.ErrorIs(l, l.shutdown(l.parent), ErrShutdown)
				require.True(l, Alive(l.sys, pid))

				close(release)
				require.Equal(l, pid.Id, wait(l, heard).PID.Id)
				synctest.Wait()
				require.False(l, Alive(l.sys, pid))
			})
		})
	}
}

func TestTrap08_AbandonedChildsLateEndHarmsNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		release := make(chan struct{})
		pid := l.child(func(ctx Context) {
			if ctx.Message() == "hang" {
				<-release
			}
		})
		Send(l.sys, pid, "hang")
		Kill(l.sys, pid)
		l.do(func(ctx Context) { process.Abandon(ctx, pid) })
		close(release)
		require.Error(l, l.exited(pid))
		l.quiet()
		sibling := l.child(func(Context) {})
		Stop(l.sys, sibling)
		require.ErrorIs(l, l.exited(sibling), ErrShutdown)
	})
}

func TestTrap10_MessagesBetweenStoppingAndStoppedAreDropped(t *testing.T) {
	inLab(t, func(l *lab) {
		got := 0
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
			case *Stopping:
				Send(l.sys, ctx.Self(), 1)
			case int:
				got++
			}
		})
		Stop(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		Send(l.sys, pid, 1)
		require.Zero(l, got)
	})
}

func TestTrap10_ChildrenSpawnedWhileStoppingAreStoppedToo(t *testing.T) {
	spawnIn := func(is func(any) bool) ReceiveFunc {
		return func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
			}
			if is(ctx.Message()) {
				Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
			}
		}
	}
	for name, is := range map[string]func(any) bool{
		"Stopping":         func(m any) bool { _, ok := m.(*Stopping); return ok },
		"Stopped":          func(m any) bool { _, ok := m.(*Stopped); return ok },
		"Terminated, ever": func(m any) bool { _, ok := m.(*pa.Terminated); return ok },
		"Started, crash": func(m any) bool {
			if _, ok := m.(*Stopping); ok {
				panic("boom")
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				pid := l.child(spawnIn(is))
				synctest.Wait()
				Stop(l.sys, pid)
				_ = l.exited(pid)
				synctest.Wait()
				require.Equal(l, before, l.processes(), "nobody is left behind")
			})
		})
	}
}

// processes counts what is in the registry.
func (l *lab) processes() (n int) {
	for _, bucket := range l.sys.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += bucket.Count()
	}
	return n
}

func TestStopOfManyChildrenIsLinear(t *testing.T) {
	inLab(t, func(l *lab) {
		const n = 2000
		var requests, gone atomic.Int32
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); !ok {
				return
			}
			for range n {
				ctx.Watch(Spawn(ctx, FromFunc(func(ctx Context) {
					switch ctx.Message().(type) {
					case *Started:
						TrapStop(ctx)
					case *StopRequest:
						requests.Add(1)
						Exit(ctx, nil)
					case *Stopped:
						gone.Add(1)
					}
				}), SpawnOptions{Monitor: true}))
			}
		})
		synctest.Wait()
		Stop(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		require.EqualValues(l, n, gone.Load())
		require.EqualValues(l, n, requests.Load(), "each is told once")
	})
}

func TestTrap11_NamesAreFresh(t *testing.T) {
	inLab(t, func(l *lab) {
		seen := map[string]bool{}
		for range 1000 {
			for _, name := range []string{"", "same"} {
				pid := l.spawn(FromFunc(func(Context) {}), SpawnOptions{Name: name})
				require.False(l, seen[pid.Id], pid.Id)
				seen[pid.Id] = true
				Stop(l.sys, pid)
			}
		}
	})
}

func TestTrap17_ShutdownWaitsAsLongAsItsContext(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(ctx Context) {
			if _, ok := ctx.Message().(*Stopping); ok {
				time.Sleep(time.Hour)
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := Shutdown(ctx, l.sys, pid)
		require.ErrorIs(l, err, context.DeadlineExceeded)

		start := time.Now()
		reason, err := Shutdown(context.Background(), l.sys, pid)
		require.NoError(l, err)
		require.ErrorIs(l, reason, ErrShutdown)
		require.Equal(l, 59*time.Minute, time.Since(start))
	})
}

func TestShutdownOfAPIDWithoutAProcess(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, pid := range []*PID{nil, pa.NewPID("nonhost", "never"), pa.NewPID("elsewhere", "never")} {
			reason, err := Shutdown(context.Background(), l.sys, pid)
			require.NoError(l, err)
			require.ErrorIs(l, reason, ErrNoProcess)
		}
	})
}

func TestTrap27_PIDKeepsNeitherActorNorMessagesInMemory(t *testing.T) {
	l := newLab(t, SystemConfig{})
	freed := make(chan string, 2)
	pids := make(chan *PID, 1)
	l.do(func(ctx Context) {
		state := new([1 << 10]byte)
		runtime.AddCleanup(state, func(name string) { freed <- name }, "state")
		pid := Spawn(ctx, FromFunc(func(ctx Context) { state[0]++ }), SpawnOptions{Monitor: true})
		message := new([1 << 10]byte)
		runtime.AddCleanup(message, func(name string) { freed <- name }, "message")
		Send(l.sys, pid, message)
		pids <- pid
	})
	pid := wait(l, pids)
	Send(l.sys, pid, "so that the PID remembers its process")
	Kill(l.sys, pid)
	require.ErrorIs(t, l.exited(pid), ErrKilled)
	require.Eventually(t, func() bool { runtime.GC(); return len(freed) == 2 }, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(pid)
	require.ErrorIs(t, l.shutdown(l.parent), ErrShutdown)
}

func TestTrap29_ForgedTerminatedEndsNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.child(func(Context) {})
		process.System(l.sys, l.parent, &pa.Terminated{Who: pa.NewPID("nonhost", "nobody")})
		process.System(l.sys, l.parent, &pa.Terminated{})
		synctest.Wait()
		require.True(l, Alive(l.sys, pid))
		require.True(l, Alive(l.sys, l.parent))
	})
}
