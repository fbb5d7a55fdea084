package actor

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

func TestProbeIsAnsweredBetweenTwoMessages(t *testing.T) {
	inLab(t, func(l *lab) {
		busy, answers := make(chan struct{}), make(chan string, 10)
		pid := l.child(func(c Context) {
			if m, ok := c.Message().(string); ok {
				<-busy
				answers <- m
			}
		})
		Send(l.sys, pid, "first")
		Send(l.sys, pid, "second")
		synctest.Wait()
		process.Probe(l.sys, pid, func() { answers <- "probe" })
		synctest.Wait()
		require.Empty(l, answers, "Receive has not returned")
		close(busy)
		require.Equal(l, "first", wait(l, answers))
		require.Equal(l, "probe", wait(l, answers))
		require.Equal(l, "second", wait(l, answers))
		require.ErrorIs(l, l.shutdown(pid), ErrShutdown)
		process.Probe(l.sys, pid, func() { answers <- "gone" })
		require.Equal(l, "gone", wait(l, answers))
	})
}

func TestAnActorThatEndsAnswersEachProbe(t *testing.T) {
	inLab(t, func(l *lab) {
		answers := make(chan struct{}, 1000)
		pid := l.child(func(Context) {})
		go Kill(l.sys, pid)
		for range cap(answers) {
			go process.Probe(l.sys, pid, func() { answers <- struct{}{} })
		}
		for range cap(answers) {
			wait(l, answers)
		}
	})
}

// maker is an actor that can be told from others.
type maker struct{ ReceiveFunc }

func TestSpawnAsideMakesChildrenOnAnyGoroutine(t *testing.T) {
	inLab(t, func(l *lab) {
		made := &maker{func(Context) {}}
		props := FromProducer(func() Actor { return made })
		var pid *PID
		l.do(func(ctx Context) {
			s := process.NewAside(ctx)
			var wg sync.WaitGroup
			wg.Go(func() { pid = Spawn(s, props, SpawnOptions{Name: "aside", Monitor: true, Ready: true}) })
			wg.Wait()
			require.Same(l, made, s.Born)
			s.Adopt(ctx, pid)
			require.Len(l, ctx.Children(), 1)
		})
		require.Equal(l, &Ready{PID: pid}, wait(l, l.news))
		Kill(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
		l.do(func(ctx Context) { require.Empty(l, ctx.Children()) })
	})
}

// The parent's stop stops adopted children, and waits for them.
func TestAdoptedChildrenEndBeforeTheirParent(t *testing.T) {
	inLab(t, func(l *lab) {
		ended := false
		slow := FromFunc(func(c Context) {
			if _, ok := c.Message().(*Stopping); ok {
				time.Sleep(time.Second)
				ended = true
			}
		})
		l.do(func(ctx Context) {
			s := process.NewAside(ctx)
			pid := Spawn(s, slow, SpawnOptions{})
			s.Adopt(ctx, pid)
		})
		require.ErrorIs(l, l.shutdown(l.parent), ErrShutdown)
		require.True(l, ended)
	})
}

func TestAProducerThatPanicsLeavesNoChildAside(t *testing.T) {
	inLab(t, func(l *lab) {
		var s *process.Aside
		l.do(func(ctx Context) { s = process.NewAside(ctx) })
		bad := FromProducer(func() Actor { panic("no") })
		require.Panics(l, func() { Spawn(s, bad, SpawnOptions{Monitor: true}) })
		l.quiet()
		pid := Spawn(s, FromFunc(func(Context) {}), SpawnOptions{Monitor: true})
		Kill(l.sys, pid)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
	})
}
