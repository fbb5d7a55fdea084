package actor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// body is a Body that records what happens to it.
type body struct {
	run       func(*body) error
	once      sync.Once
	cancelled chan struct{}
	cancels   atomic.Int32
	ended     chan error
}

func (b *body) Run() error { return b.run(b) }

func (b *body) Cancel() {
	b.cancels.Add(1)
	b.once.Do(func() { close(b.cancelled) })
}

func (b *body) Ended(reason error) { b.ended <- reason }

func startRoutine(l *lab, b *body) *Routine {
	b.cancelled, b.ended = make(chan struct{}), make(chan error, 10)
	r := &Routine{}
	r.Start(l.sys, "routine", b)
	return r
}

func TestRoutineEnds(t *testing.T) {
	returns := crash{"returns", func() {}, func(e error) bool { return e == errBoom }} //nolint:errorlint // handed on as it is
	for _, c := range append(append(crashes, hostilePanics()...), returns) {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				start := make(chan struct{})
				b := &body{run: func(*body) error { <-start; c.crash(); return errBoom }}
				r := startRoutine(l, b)
				heard, _ := l.monitor(r.PID())
				l.do(func(ctx Context) { ctx.Watch(r.PID()) })
				require.True(l, Alive(l.sys, r.PID()))
				close(start)

				require.True(l, c.is(wait(l, heard).Reason))
				require.True(l, c.is(wait(l, b.ended)))
				require.Equal(l, r.PID().Id, wait(l, l.news).(*pa.Terminated).Who.Id)
				require.False(l, Alive(l.sys, r.PID()))
				l.quiet()
				require.Empty(l, b.ended)
			})
		})
	}
}

func TestRoutineIsCancelledByWhoeverStopsIt(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, stop := range []func(*PID){
			func(pid *PID) { Stop(l.sys, pid) },
			func(pid *PID) { Kill(l.sys, pid) },
			func(pid *PID) { l.sys.Root.Stop(pid) },
			func(pid *PID) { _ = l.shutdown(pid) },
		} {
			b := &body{run: func(b *body) error { <-b.cancelled; return ErrShutdown }}
			r := startRoutine(l, b)
			stop(r.PID())
			require.ErrorIs(l, wait(l, b.ended), ErrShutdown)
			n := b.cancels.Load()
			r.Stop(r.PID()) // too late
			require.Equal(l, n, b.cancels.Load())
		}
	})
}

func TestRoutineWatchedTooLateIsHeardAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		b := &body{run: func(*body) error { return errBoom }}
		r := startRoutine(l, b)
		require.Same(l, errBoom, wait(l, b.ended))
		r.SendSystemMessage(r.PID(), &pa.Watch{Watcher: l.parent}) // through a process that somebody kept
		require.Equal(l, r.PID().Id, wait(l, l.news).(*pa.Terminated).Who.Id)
		heard, _ := l.monitor(r.PID())
		require.ErrorIs(l, wait(l, heard).Reason, ErrNoProcess)
	})
}

func TestRoutineForgetsWhoUnwatches(t *testing.T) {
	inLab(t, func(l *lab) {
		b := &body{run: func(b *body) error { <-b.cancelled; return nil }}
		r := startRoutine(l, b)
		l.do(func(ctx Context) {
			ctx.Watch(r.PID())
			ctx.Unwatch(r.PID())
		})
		Stop(l.sys, r.PID())
		require.NoError(l, wait(l, b.ended))
		l.quiet()
	})
}

func TestRoutineHasNoMailbox(t *testing.T) {
	inLab(t, func(l *lab) {
		letters := make(chan any, 10)
		l.sys.EventStream.Subscribe(func(e any) {
			if d, ok := e.(*pa.DeadLetterEvent); ok {
				letters <- d.Message
			}
		})
		b := &body{run: func(b *body) error { <-b.cancelled; return nil }}
		r := startRoutine(l, b)
		Send(l.sys, r.PID(), "hello")
		require.Equal(l, "hello", wait(l, letters))
		Stop(l.sys, r.PID())
		require.NoError(l, wait(l, b.ended))
	})
}

func TestTrap27_RoutinesPIDKeepsNoPayloadInMemory(t *testing.T) {
	l := newLab(t, SystemConfig{})
	freed := make(chan struct{})
	r := func() *Routine {
		b := &body{run: func(*body) error { return nil }}
		runtime.AddCleanup(b, func(c chan struct{}) { close(c) }, freed)
		r := startRoutine(l, b)
		require.NoError(t, wait(t, b.ended))
		return r
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(r)
	require.ErrorIs(t, l.shutdown(l.parent), ErrShutdown)
}

func TestRoutineIsHeardExactlyOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		for range 500 {
			start := make(chan struct{})
			b := &body{run: func(*body) error { <-start; return errBoom }}
			r := startRoutine(l, b)
			watched := make(chan *Exited, 10)
			var all sync.WaitGroup
			all.Go(func() { close(start) })
			all.Go(func() { newMonitor(l.sys, r.PID(), func(e *Exited) { watched <- e }) })
			all.Go(func() { Stop(l.sys, r.PID()) })
			all.Wait()
			require.Error(l, wait(l, watched).Reason)
			synctest.Wait()
			require.Empty(l, watched)
			require.Len(l, b.ended, 1)
		}
	})
}
