package actor

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

// timekeeper is an actor that does what it is told to, and records when it gets anything else.
type timekeeper struct {
	pid   *PID
	begin time.Time
	mu    sync.Mutex
	got   []string // "message at time since begin"
}

func keepTime(l *lab) *timekeeper {
	k := &timekeeper{begin: time.Now()}
	k.pid = l.child(func(ctx Context) {
		switch m := ctx.Message().(type) {
		case func(Context):
			m(ctx)
		case string:
			k.mu.Lock()
			defer k.mu.Unlock()
			k.got = append(k.got, fmt.Sprint(m, " at ", time.Since(k.begin)))
		}
	})
	return k
}

func (k *timekeeper) do(l *lab, f func(Context)) {
	Send(l.sys, k.pid, f)
	synctest.Wait()
}

// after lets time pass, and returns what came.
func (k *timekeeper) after(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	got := k.got
	k.got = nil
	return got
}

func TestStartTimer(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "0s", 0: "0s", math.MinInt64: "0s", 1: "1ns", time.Hour: "1h0m0s", math.MaxInt64 - 1: "", math.MaxInt64: "",
	} {
		t.Run(fmt.Sprint(int64(d)), func(t *testing.T) {
			inLab(t, func(l *lab) {
				k := keepTime(l)
				k.do(l, func(ctx Context) { StartTimer(ctx, "key", d, "message") })
				got := k.after(1000 * time.Hour)
				if want == "" {
					require.Empty(l, got)
					k.do(l, func(ctx Context) { require.True(l, StopTimer(ctx, "key")) })
					return
				}
				require.Equal(l, []string{"message at " + want}, got)
				k.do(l, func(ctx Context) { require.False(l, StopTimer(ctx, "key")) })
			})
		})
	}
}

func TestStartTimerWithAKeyReplacesTheOneBefore(t *testing.T) {
	inLab(t, func(l *lab) {
		k := keepTime(l)
		k.do(l, func(ctx Context) {
			StartTimer(ctx, "a", time.Minute, "a1")
			StartTimer(ctx, "b", time.Minute, "b1")
			StartTimer(ctx, "a", time.Hour, "a2")
			StartTicker(ctx, "b", 30*time.Minute, "b2")
			StartTicker(ctx, "c", time.Minute, "c1")
			StartTimer(ctx, "c", time.Hour, "c2")
		})
		want := []string{"a2 at 1h0m0s", "c2 at 1h0m0s", "b2 at 30m0s", "b2 at 1h0m0s"}
		require.ElementsMatch(l, want, k.after(time.Hour))
	})
}

// TestNoStaleMessageIsDelivered: the timers have fired, and their messages wait, when they are
// stopped and replaced.
func TestNoStaleMessageIsDelivered(t *testing.T) {
	inLab(t, func(l *lab) {
		k := keepTime(l)
		k.do(l, func(ctx Context) {
			StartTimer(ctx, "stopped", time.Second, "stale")
			StartTimer(ctx, "replaced", time.Second, "stale")
			StartTicker(ctx, "ticker stopped", time.Second, "stale")
			StartTicker(ctx, "ticker replaced", time.Second, "stale")
			time.Sleep(time.Minute)
			for _, key := range []string{"stopped", "ticker stopped"} {
				require.True(l, StopTimer(ctx, key))
				require.False(l, StopTimer(ctx, key))
			}
			StartTimer(ctx, "replaced", time.Second, "fresh")
			StartTimer(ctx, "ticker replaced", time.Second, "fresh")
		})
		require.Equal(l, []string{"fresh at 1m1s", "fresh at 1m1s"}, k.after(time.Hour))
	})
}

func TestStartTicker(t *testing.T) {
	inLab(t, func(l *lab) {
		k := keepTime(l)
		k.do(l, func(ctx Context) { StartTicker(ctx, "tick", time.Minute, "tick") })
		require.Equal(l, []string{"tick at 1m0s", "tick at 2m0s", "tick at 3m0s"}, k.after(3*time.Minute))

		k.do(l, func(Context) { time.Sleep(10*time.Minute + 30*time.Second) })
		require.Equal(l, []string{"tick at 13m30s"}, k.after(10*time.Minute+30*time.Second),
			"ticks that were due meanwhile are left out")
		require.Equal(l, []string{"tick at 14m0s", "tick at 15m0s"}, k.after(90*time.Second), "and the beat is kept")

		k.do(l, func(ctx Context) { require.True(l, StopTimer(ctx, "tick")) })
		require.Empty(l, k.after(time.Hour))
	})
}

func TestStartTickerOfAnyPeriod(t *testing.T) {
	for period, want := range map[time.Duration]int{
		math.MinInt64: 1000, -1: 1000, 0: 1000, 1: 1000, minPeriod: 1000,
		time.Second: 1, math.MaxInt64 - 1: 0, math.MaxInt64: 0,
	} {
		inLab(t, func(l *lab) {
			k := keepTime(l)
			k.do(l, func(ctx Context) { StartTicker(ctx, "tick", period, "tick") })
			require.Len(l, k.after(time.Second), want, period)
		})
	}
}

// TestTimersEndWithTheirActor, however that ends: nothing is delivered, and no clock is left.
func TestTimersEndWithTheirActor(t *testing.T) {
	for name, end := range map[string]func(Context){
		"Exit":          func(ctx Context) { Exit(ctx, nil) },
		"crash":         func(Context) { panic("boom") },
		"Goexit":        func(Context) { runtime.Goexit() },
		"Stop":          func(ctx Context) { Stop(ctx.ActorSystem(), ctx.Self()) },
		"poison":        func(ctx Context) { ctx.Poison(ctx.Self()) },
		"with children": func(ctx Context) { Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{}); panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				k := keepTime(l)
				var clock *time.Timer
				k.do(l, func(ctx Context) {
					StartTimer(ctx, "a", time.Minute, "a")
					StartTicker(ctx, "b", time.Minute, "b")
					p, _ := l.sys.ProcessRegistry.Get(k.pid)
					who := &whoCall{}
					p.SendSystemMessage(k.pid, who)
					clock = who.mailbox.rare.timers["a"].clock
				})
				k.do(l, end)
				_ = l.exited(k.pid)
				require.False(l, clock.Stop(), "the clock of a timer runs on")
				require.Empty(l, k.after(time.Hour))
			})
		})
	}
}

func TestNoTimerStartsInAnActorThatStops(t *testing.T) {
	inLab(t, func(l *lab) {
		started := 0
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case *Stopping, *Stopped:
				StartTimer(ctx, "a", time.Second, "a")
				StartTicker(ctx, "b", time.Second, "b")
				require.False(l, StopTimer(ctx, "a"))
				started++
			case string:
				l.Error("a timer fired")
			}
		})
		Stop(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		require.Equal(l, 2, started)
	})
}

func TestTimersOfAnActorWithoutOurMailboxAreRefused(t *testing.T) {
	inLab(t, func(l *lab) {
		said := make(chan string, 3)
		pid := l.sys.Root.Spawn(pa.PropsFromFunc(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); !ok {
				return
			}
			for _, call := range []func(){
				func() { StartTimer(ctx, "a", 0, 1) },
				func() { StartTicker(ctx, "a", 0, 1) },
				func() { StopTimer(ctx, "a") },
			} {
				func() {
					defer func() { said <- fmt.Sprint(recover()) }()
					call()
				}()
			}
		}))
		for _, name := range []string{"StartTimer", "StartTicker", "StopTimer"} {
			require.Contains(l, wait(l, said), "actor: "+name+" in "+pid.Id+", which is no actor of this package; want")
		}
		l.sys.Root.Stop(pid)
	})
}

func TestSendAfterReachesNoOtherActorOfTheSameName(t *testing.T) {
	inLab(t, func(l *lab) {
		got := make(chan any, 10)
		named := func(f ReceiveFunc) *PID {
			pid, err := l.sys.Root.SpawnNamed(FromFunc(f), "same")
			require.NoError(l, err)
			return pid
		}
		first := named(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				process.SendAfter(ctx, time.Minute, "for the first")
			}
		})
		synctest.Wait()
		require.ErrorIs(l, l.shutdown(first), ErrShutdown)
		second := named(func(ctx Context) {
			if m, ok := ctx.Message().(string); ok {
				got <- m
			}
		})
		time.Sleep(time.Hour)
		require.Empty(l, got)
		require.ErrorIs(l, l.shutdown(second), ErrShutdown)
	})
}
