package actor

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

// nest is a parent with one child, which traps its stop and takes half a minute for it, and may
// have grandchildren.
type nest struct {
	told, ended   atomic.Int32 // how often the child was told to stop, and whether it is gone
	child         atomic.Pointer[PID]
	grandchildren []*PID
}

// hatch spawns a nest whose parent watches n grandchildren.
func hatch(l *lab, n int, more func(Context)) (*nest, *PID) {
	l.Helper()
	f := &nest{}
	pid := l.child(func(ctx Context) {
		switch m := ctx.Message().(type) {
		case *Started:
			f.child.Store(Spawn(ctx, FromFunc(f.receive(n)), SpawnOptions{Name: "child/with/slashes"}))
		case []*PID:
			f.grandchildren = m
			for _, grandchild := range m {
				ctx.Watch(grandchild)
			}
		default:
			more(ctx)
		}
	})
	synctest.Wait()
	return f, pid
}

func (f *nest) receive(n int) ReceiveFunc {
	return func(ctx Context) {
		switch ctx.Message().(type) {
		case *Started:
			TrapStop(ctx)
			pids := make([]*PID, n)
			for i := range pids {
				pids[i] = Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{Name: "grandchild"})
			}
			Send(ctx.ActorSystem(), ctx.Parent(), pids)
		case *StopRequest:
			f.told.Add(1)
			process.SendAfter(ctx, 30*time.Second, "exit")
			for _, pid := range ctx.Children() {
				Stop(ctx.ActorSystem(), pid)
			}
		case string:
			Exit(ctx, nil)
		case *Stopped:
			f.ended.Add(1)
		}
	}
}

// holds requires that the parent ended after its child, which was stopped once.
func (f *nest) holds(l *lab, parent *PID) {
	l.Helper()
	begin := time.Now()
	require.ErrorIs(l, l.exited(parent), ErrShutdown)
	require.EqualValues(l, 1, f.ended.Load(), "the parent ended before its child")
	require.EqualValues(l, 1, f.told.Load(), "the child was told to stop more than once")
	require.Equal(l, 30*time.Second, time.Since(begin))
}

func TestWatchedGrandchildrenAreNoChildren(t *testing.T) {
	for _, n := range []int{0, 1, 10, 1500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inLab(t, func(l *lab) {
				f, pid := hatch(l, n, func(Context) {})
				Stop(l.sys, pid)
				f.holds(l, pid)
			})
		})
	}
}

// strangers are PIDs that look like children of the actor, and are none.
func strangers(ctx Context, child *PID) map[string]*PID {
	self := ctx.Self()
	return map[string]*PID{
		"a name below the actor's own":    pa.NewPID(self.Address, self.Id+"/nobody"),
		"the actor itself":                self,
		"the child, at another address":   pa.NewPID("elsewhere:1234", child.Id),
		"below the child":                 pa.NewPID(self.Address, child.Id+"/nobody"),
		"a name that begins like a child": pa.NewPID(self.Address, child.Id+"0"),
		"no name":                         {},
		"the child, forged":               pa.NewPID(child.Address, child.Id),
	}
}

func TestOnlyTheChildsOwnEndCounts(t *testing.T) {
	inLab(t, func(l *lab) {
		var f *nest
		f, pid := hatch(l, 1, func(ctx Context) {
			if _, ok := ctx.Message().(*Stopping); ok {
				for range 10 {
					for _, who := range strangers(ctx, f.child.Load()) {
						process.System(l.sys, ctx.Self(), &pa.Terminated{Who: who})
					}
				}
			}
		})
		Stop(l.sys, pid)
		f.holds(l, pid)
	})
}

func TestFormerChildrenWatchedAgainAreNoChildren(t *testing.T) {
	inLab(t, func(l *lab) {
		var former []*PID
		again := 100
		f, pid := hatch(l, 0, func(ctx Context) {
			switch m := ctx.Message().(type) {
			case string:
				for range 10 {
					former = append(former, Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{}))
					Stop(l.sys, former[len(former)-1])
				}
			case *Stopping:
				for _, pid := range former {
					ctx.Watch(pid) // each answers that it is not there
				}
			case *pa.Terminated:
				if again--; again > 0 {
					ctx.Watch(m.Who)
				}
			}
		})
		Send(l.sys, pid, "have some")
		synctest.Wait()
		Stop(l.sys, pid)
		f.holds(l, pid)
	})
}

func TestAChildOfTheSameNameLaterIsAnotherChild(t *testing.T) {
	inLab(t, func(l *lab) {
		release := make(chan struct{})
		var second atomic.Pointer[PID]
		secondStopped := false
		pid := l.child(func(ctx Context) {
			switch ctx.Message() {
			case "first":
				pid, _ := ctx.SpawnNamed(FromFunc(func(ctx Context) {
					switch ctx.Message().(type) {
					case string:
						<-release
					case *Stopped:
						time.Sleep(time.Second) // out of the registry, and its Terminated is still to come
					}
				}), "same")
				ctx.Send(pid, "hang")
				Kill(l.sys, pid)
				process.Abandon(ctx, pid)
			case "second":
				pid, err := ctx.SpawnNamed(FromFunc(func(ctx Context) {
					if _, ok := ctx.Message().(*Stopped); ok {
						time.Sleep(30 * time.Second)
						secondStopped = true
					}
				}), "same")
				require.NoError(l, err)
				second.Store(pid)
			}
		})
		Send(l.sys, pid, "first")
		synctest.Wait()
		close(release)
		time.Sleep(time.Millisecond)
		Send(l.sys, pid, "second")
		time.Sleep(time.Hour)
		require.True(l, Alive(l.sys, second.Load()))
		Stop(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		require.True(l, secondStopped, "the end of the first was taken for that of the second")
	})
}

// TestANewcomerIsStoppedWhicheverChildEndsBeforeIt spawns a child where no end of another is
// progress, and lets one end whose place it then takes.
func TestANewcomerIsStoppedWhicheverChildEndsBeforeIt(t *testing.T) {
	inLab(t, func(l *lab) {
		before := l.processes()
		var slow, quick *PID
		future := pa.NewFuture(l.sys, time.Hour)
		trap := FromFunc(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				TrapStop(ctx)
			case string:
				Exit(ctx, nil)
			}
		})
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				quick, slow = Spawn(ctx, trap, SpawnOptions{}), Spawn(ctx, trap, SpawnOptions{})
			case string:
				ctx.ReenterAfter(future, func(any, error) { Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{}) })
			}
		})
		Send(l.sys, pid, "wait")
		synctest.Wait()
		Stop(l.sys, pid)
		synctest.Wait()
		l.sys.Root.Send(future.PID(), "now")
		synctest.Wait()
		Send(l.sys, quick, "exit")
		synctest.Wait()
		Send(l.sys, slow, "exit")
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		synctest.Wait()
		require.Equal(l, before, l.processes())
	})
}

func TestForgedEndOfAChildThatLivesIsNotBelieved(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.child(func(Context) {})
		process.System(l.sys, l.parent, &pa.Terminated{Who: pid})
		l.quiet()
		l.do(func(ctx Context) { require.Len(l, ctx.Children(), 1) })
		Stop(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		l.do(func(ctx Context) { require.Empty(l, ctx.Children()) })
	})
}

// TestARouterEndsWithTheActorThatSpawnedIt, and not after it, however it is stopped.
func TestARouterEndsWithTheActorThatSpawnedIt(t *testing.T) {
	slow := func(ctx Context) {
		if _, ok := ctx.Message().(*Stopping); ok {
			time.Sleep(time.Second)
		}
	}
	for name, stopping := range map[string]func(ctx Context, pool *PID){
		"by itself":         func(Context, *PID) {},
		"by the handler":    func(ctx Context, pool *PID) { ctx.Stop(pool) },
		"in passing":        func(ctx Context, pool *PID) { Stop(ctx.ActorSystem(), pool) },
		"after a crash":     func(Context, *PID) { panic("boom") },
		"after a poisoning": func(ctx Context, pool *PID) { ctx.Poison(pool) },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				var routees *PID
				pid := l.child(func(ctx Context) {
					switch ctx.Message().(type) {
					case *Started:
						routees = ctx.Spawn(poolProps(5, slow))
					case *Stopping:
						stopping(ctx, routees)
					}
				})
				synctest.Wait()
				require.Greater(l, l.processes(), before+5)
				Stop(l.sys, pid)
				require.Error(l, l.exited(pid))
				require.Equal(l, before, l.processes(), "routees are left behind")
			})
		})
	}
}

func TestStopAndKillOfARouterStopItsRoutees(t *testing.T) {
	for name, end := range map[string]func(*lab, *PID){
		"Stop":     func(l *lab, pid *PID) { Stop(l.sys, pid) },
		"Kill":     func(l *lab, pid *PID) { Kill(l.sys, pid) },
		"Shutdown": func(l *lab, pid *PID) { _ = l.shutdown(pid) },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				pid := l.sys.Root.Spawn(poolProps(3, func(Context) {}))
				heard, _ := l.monitor(pid)
				end(l, pid)
				require.ErrorIs(l, wait(l, heard).Reason, ErrUnknown)
				synctest.Wait()
				require.Equal(l, before, l.processes())
			})
		})
	}
}

// stubborn is a process of a user's that crashes when it is told to stop.
type stubborn struct{ crash func() }

func (stubborn) SendUserMessage(*PID, any)     {}
func (s stubborn) SendSystemMessage(*PID, any) { s.crash() }
func (s stubborn) Stop(*PID)                   { s.crash() }

func TestAProcessThatCrashesWhenItIsStoppedHoldsUpNoOther(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), _ func(error) bool) {
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				spawn := func(sys *System, id string, _ *Props, _ pa.SpawnerContext) (*PID, error) {
					pid, _ := sys.ProcessRegistry.Add(stubborn{crash}, id)
					return pid, nil
				}
				for range 3 {
					ctx.Spawn((&Props{}).Configure(pa.WithSpawnFunc(spawn)))
					Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
				}
			}
		})
		Stop(l.sys, pid)
		require.Error(l, l.exited(pid))
	})
}
