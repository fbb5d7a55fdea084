package actor

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/guard/guardtest"
	"github.com/gentask/gentask/internal/process"
)

var errBoom = errors.New("boom")

// crash is a way in which code can end without returning.
type crash struct {
	name  string
	crash func()
	is    func(error) bool
}

var crashes = []crash{
	{"panic", func() { panic("boom") }, func(e error) bool {
		p, ok := errors.AsType[*PanicError](e)
		return ok && p.Value == "boom"
	}},
	{"panic(error)", func() { panic(errBoom) }, func(e error) bool { return errors.Is(e, errBoom) }},
	{"panic(nil)", func() { panic(nil) }, func(e error) bool {
		_, ok := errors.AsType[*runtime.PanicNilError](e)
		return ok
	}},
	{"nil dereference", func() { var p *PID; _ = p.Id }, func(e error) bool {
		_, ok := errors.AsType[runtime.Error](e)
		return ok
	}},
	{"Goexit", runtime.Goexit, func(e error) bool { return errors.Is(e, ErrGoexit) }},
}

// hostilePanics are panics with values whose methods misbehave.
func hostilePanics() []crash {
	var all []crash
	for _, c := range append(guardtest.Errors(), guardtest.Case{Name: "Error exits", Err: guardtest.Exits()}) {
		all = append(all, crash{"panic: " + c.Name, func() { panic(c.Err) }, func(e error) bool {
			p, ok := e.(*PanicError) //nolint:errorlint // nothing is wrapped around it
			return ok && reflect.TypeOf(p.Value) == reflect.TypeOf(c.Err) && p.Error() != "" &&
				len(p.Error()) < 20<<10 && p.Stack() != ""
		}})
	}
	return all
}

// inEachCrash runs f for each of them, each in a lab of its own.
func inEachCrash(t *testing.T, f func(l *lab, crash func(), is func(error) bool)) {
	for _, c := range append(crashes, hostilePanics()...) {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) { f(l, c.crash, c.is) })
		})
	}
}

func TestTrap01_CrashInReceiveEndsTheActorWithItsReason(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		pid := l.child(func(ctx Context) {
			if ctx.Message() == "go" {
				crash()
			}
		})
		Send(l.sys, pid, "go")
		Send(l.sys, pid, "after")
		require.True(l, is(l.exited(pid)))
		require.False(l, Alive(l.sys, pid))
		l.quiet()
	})
}

func TestTrap01_CrashInStartedEndsTheActorAndIsNeverReady(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		pid := l.spawn(FromFunc(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				crash()
			}
		}), SpawnOptions{Monitor: true, Ready: true})
		require.IsType(l, &pa.Terminated{}, wait(l, l.news))
		require.True(l, is(wait(l, l.news).(*Exited).Reason), pid)
		l.quiet()
	})
}

func TestTrap02_CrashInStoppingCantKeepTheActorAlive(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		stopped := 0
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Stopping:
				crash()
			case *Stopped:
				stopped++
			}
		})
		Stop(l.sys, pid)
		require.True(l, is(l.exited(pid)), "a crash takes the place of a reason that is none")
		require.Equal(l, 1, stopped)
		l.quiet()
	})
}

func TestTrap03_CrashInStoppedIsStillReportedToAll(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		stopped := 0
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(*Stopped); ok {
				stopped++
				crash()
			}
		})
		watcher := make(chan *PID, 10)
		l.root(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case *Started:
				ctx.Watch(pid)
			case *pa.Terminated:
				watcher <- m.Who
			}
		})
		synctest.Wait()
		Stop(l.sys, pid)
		require.Equal(l, pid.Id, wait(l, l.news).(*pa.Terminated).Who.Id)
		require.True(l, is(wait(l, l.news).(*Exited).Reason))
		require.Equal(l, pid.Id, wait(l, watcher).Id)
		require.Equal(l, 1, stopped, "a Stopped handler that failed is not run again")
		l.quiet()
	})
}

func TestTrap02_EveryHandlerCrashesAndTheChildrenAreGoneFirst(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), _ func(error) bool) {
		const n = 20
		var gone atomic.Int32
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				for range n {
					Spawn(ctx, FromFunc(func(ctx Context) {
						if _, ok := ctx.Message().(*Stopped); ok {
							gone.Add(1)
						}
					}), SpawnOptions{Monitor: true})
				}
			case *Stopping, *pa.Terminated, *Stopped:
				crash()
			}
		})
		Send(l.sys, pid, "x")
		synctest.Wait()
		exitFrom(l, pid, errBoom)
		require.Same(l, errBoom, l.exited(pid), "the first reason that is a crash is the one")
		require.EqualValues(l, n, gone.Load())
		l.quiet()
	})
}

// exitFrom does what the actor's own Exit does.
func exitFrom(l *lab, pid *PID, reason error) {
	process.System(l.sys, pid, &process.Exit{Reason: reason})
}

func TestTrap02_CrashWhileChildrenExistStopsThemFirst(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		var order []string
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				Spawn(ctx, FromFunc(func(ctx Context) {
					if _, ok := ctx.Message().(*Stopped); ok {
						order = append(order, "child")
					}
				}), SpawnOptions{})
			case *Stopped:
				order = append(order, "parent")
			case string:
				crash()
			}
		})
		Send(l.sys, pid, "go")
		require.True(l, is(l.exited(pid)))
		require.Equal(l, []string{"child", "parent"}, order)
	})
}

func TestTrap04_CrashIsNeverARestart(t *testing.T) {
	restart := pa.NewOneForOneStrategy(10, time.Second, func(any) pa.Directive { return pa.RestartDirective })
	for name, make := range map[string]func(ReceiveFunc) *Props{
		"ours":                  FromFunc,
		"foreign":               func(f ReceiveFunc) *Props { return pa.PropsFromFunc(f) },
		"foreign with strategy": func(f ReceiveFunc) *Props { return pa.PropsFromFunc(f, pa.WithSupervisor(restart)) },
		"foreign with mailbox": func(f ReceiveFunc) *Props {
			return pa.PropsFromFunc(f, pa.WithMailbox(pa.Bounded(1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
				started := 0
				pid := l.spawn(make(func(ctx Context) {
					switch ctx.Message().(type) {
					case *Started:
						started++
					case *pa.Restarting:
						l.Error("restarting")
					case string:
						crash()
					}
				}), SpawnOptions{Monitor: true})
				Send(l.sys, pid, "go")
				require.True(l, is(l.exited(pid)))
				require.Equal(l, 1, started)
			})
		})
	}
}

func TestTrap04_CrashWithMessagesWaitingProcessesNoneOfThem(t *testing.T) {
	inLab(t, func(l *lab) {
		var got []any
		pid := l.child(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case string:
				TrapStop(ctx)
				Stop(l.sys, ctx.Self())
				Send(l.sys, ctx.Self(), 1)
				panic("boom")
			case int, *StopRequest:
				got = append(got, m)
			}
		})
		Send(l.sys, pid, "go")
		require.ErrorContains(l, l.exited(pid), "boom")
		require.Empty(l, got)
	})
}

func TestTrap07_StackArrivesWithTheReason(t *testing.T) {
	for _, crash := range []func(){func() { deepInside(false) }, func() { deepInside(true) }} {
		inLab(t, func(l *lab) {
			pid := l.child(func(ctx Context) {
				if ctx.Message() == "go" {
					crash()
				}
			})
			Send(l.sys, pid, "go")
			reason := fmt.Errorf("wrapped: %w", l.exited(pid))
			require.Contains(l, Stack(reason), "actor.deepInside\n\t")
			require.Contains(l, Stack(reason), "crash_test.go:")
		})
	}
	require.Empty(t, Stack(errBoom))
	require.Empty(t, Stack(nil))
}

//go:noinline
func deepInside(goexit bool) {
	if goexit {
		runtime.Goexit()
	}
	panic("deep")
}

func TestTrap12_GuardianIsNeverAskedAboutACrash(t *testing.T) {
	inLab(t, func(l *lab) {
		escalate := pa.NewOneForOneStrategy(0, 0, func(any) pa.Directive { return pa.EscalateDirective })
		pid := SpawnRoot(l.sys, pa.PropsFromFunc(func(ctx Context) {
			if ctx.Message() == "go" {
				panic("boom")
			}
		}, pa.WithGuardian(escalate)), "guarded")
		heard, _ := l.monitor(pid)
		Send(l.sys, pid, "go")
		require.ErrorContains(l, wait(l, heard).Reason, "boom")
	})
}

func TestTrap13_RootActorEndsAtItsFirstCrashAndSaysWhy(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		pid := l.root(func(ctx Context) {
			if ctx.Message() == "go" {
				crash()
			}
		})
		heard, _ := l.monitor(pid)
		Send(l.sys, pid, "go")
		require.True(l, is(wait(l, heard).Reason))
	})
}

func TestTrap25_AllForOneOfAForeignParentStopsUsAndNeverRestartsUs(t *testing.T) {
	inLab(t, func(l *lab) {
		strategy := pa.NewAllForOneStrategy(10, time.Second, func(any) pa.Directive { return pa.RestartDirective })
		ours := make(chan *PID, 1)
		started := 0
		foreign := l.sys.Root.Spawn(pa.PropsFromFunc(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				ours <- Spawn(ctx, FromFunc(func(ctx Context) {
					if _, ok := ctx.Message().(*Started); ok {
						started++
					}
				}), SpawnOptions{Monitor: true})
				bad := ctx.Spawn(pa.PropsFromFunc(func(ctx Context) {
					if ctx.Message() == "go" {
						panic("boom")
					}
				}))
				ctx.Send(bad, "go")
			case *Exited:
				l.news <- ctx.Message()
			}
		}, pa.WithSupervisor(strategy)))
		require.ErrorIs(l, l.exited(wait(l, ours)), ErrShutdown)
		require.Equal(l, 1, started)
		l.sys.Root.Stop(foreign)
	})
}

func TestTrap31_NothingIsLoggedForAThousandCrashes(t *testing.T) {
	inLab(t, func(l *lab) {
		for i := range 1000 {
			pid := l.child(func(ctx Context) {
				if ctx.Message() == "go" {
					crashes[i%len(crashes)].crash()
				}
			})
			Send(l.sys, pid, "go")
			require.Error(l, l.exited(pid))
		}
		require.Zero(l, l.logs.n.Load())
	})
}

func TestSpawnPanicsInTheParentWhenTheProducerDoes(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.child(func(ctx Context) {
			if _, ok := ctx.Message().(string); ok {
				Spawn(ctx, FromProducer(func() Actor { panic("no actor") }), SpawnOptions{})
			}
		})
		Send(l.sys, pid, "go")
		require.ErrorContains(l, l.exited(pid), "no actor")
	})
}

func TestTrap04_ForeignChildThatAParentOfOursSpawnedByItselfIsStopped(t *testing.T) {
	inLab(t, func(l *lab) {
		started := 0
		l.do(func(ctx Context) {
			pid := ctx.Spawn(pa.PropsFromFunc(func(ctx Context) {
				switch ctx.Message().(type) {
				case *Started:
					started++
				case string:
					panic("boom")
				}
			}))
			ctx.Send(pid, "go")
		})
		require.IsType(l, &pa.Terminated{}, wait(l, l.news))
		require.Equal(l, 1, started)
	})
}

func TestSpawnAsideAgainAndAgainSpawnsLikeSpawn(t *testing.T) {
	inLab(t, func(l *lab) {
		var s *process.Aside
		l.do(func(ctx Context) { s = process.NewAside(ctx) })
		crash, idle := FromFunc(func(ctx Context) {
			if ctx.Message() == "go" {
				panic("boom")
			}
		}), FromFunc(func(Context) {})
		for range 3 {
			for _, opts := range []SpawnOptions{{}, {Monitor: true}, {Monitor: true, Name: "same"}} {
				for _, props := range []*Props{crash, crash, idle} {
					var pid *PID
					l.do(func(ctx Context) {
						pid = Spawn(s, props, opts)
						s.Adopt(ctx, pid)
					})
					Send(l.sys, pid, "go")
					Stop(l.sys, pid)
					require.IsType(l, &pa.Terminated{}, wait(l, l.news))
					if opts.Monitor {
						require.Error(l, l.exited(pid))
					}
				}
			}
		}
		l.quiet()
	})
}
