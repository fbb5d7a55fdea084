package actor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEagerIsStartedWhenSpawnReturns(t *testing.T) {
	inLab(t, func(l *lab) {
		started := 0 // no lock: the same goroutine
		props := Eager(func() Actor {
			return ReceiveFunc(func(ctx Context) {
				if _, ok := ctx.Message().(*Started); ok {
					started++
				}
			})
		})
		l.do(func(ctx Context) {
			for n := range 10 {
				Spawn(ctx, props, SpawnOptions{})
				require.Equal(l, n+1, started)
			}
		})
	})
}

func TestEagerStartThatPanicsHarmsNobodyElse(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.spawn(Eager(func() Actor {
			return ReceiveFunc(func(ctx Context) {
				if _, ok := ctx.Message().(*Started); ok {
					panic("boom")
				}
			})
		}), SpawnOptions{Monitor: true, Ready: true})
		require.ErrorContains(l, l.exited(pid), "boom")
		require.True(l, Alive(l.sys, l.parent))
		l.quiet()
	})
}

func TestEagerProcessesNothingButStartedOnTheSpawnersGoroutine(t *testing.T) {
	inEachCrash(t, func(l *lab, crash func(), is func(error) bool) {
		pid := l.spawn(Eager(func() Actor {
			return ReceiveFunc(func(ctx Context) {
				switch ctx.Message().(type) {
				case *Started:
					Send(l.sys, ctx.Self(), "go") // waits before Spawn returns
				case string:
					crash()
				}
			})
		}), SpawnOptions{Monitor: true})
		require.True(l, is(l.exited(pid)))
		require.True(l, Alive(l.sys, l.parent))
	})
}
