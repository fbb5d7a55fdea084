package cell

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
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
	returns := crash{"returns", func() {}, func(e error) bool {
		return e == errBoom //nolint:errorlint // handed on as it is
	}}
	for _, c := range append(crashes, returns) {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				start := make(chan struct{})
				b := &body{run: func(*body) error { <-start; c.crash(); return errBoom }}
				r := startRoutine(l, b)
				heard, _ := l.monitor(r.PID())
				l.do(func(ctx actor.Context) { ctx.Watch(r.PID()) })
				require.True(l, actor.Alive(l.sys, r.PID()))
				close(start)

				require.True(l, c.is(wait(l, heard).Reason))
				require.True(l, c.is(wait(l, b.ended)))
				require.Equal(l, r.PID().Id, wait(l, l.news).(*pa.Terminated).Who.Id)
				require.False(l, actor.Alive(l.sys, r.PID()))
				l.quiet()
				require.Empty(l, b.ended)
			})
		})
	}
}

func TestRoutineIsCancelledByEachStop(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, stop := range []func(*actor.PID){
			func(pid *actor.PID) { actor.Stop(l.sys, pid) },
			func(pid *actor.PID) { actor.Kill(l.sys, pid) },
			func(pid *actor.PID) { l.sys.Root.Stop(pid) },
			func(pid *actor.PID) { _ = l.shutdown(pid) },
		} {
			b := &body{run: func(b *body) error { <-b.cancelled; return actor.ErrShutdown }}
			r := startRoutine(l, b)
			stop(r.PID())
			require.ErrorIs(l, wait(l, b.ended), actor.ErrShutdown)
			n := b.cancels.Load()
			r.Stop(r.PID()) // too late
			require.Equal(l, n, b.cancels.Load())
		}
	})
}

func TestRoutineWatchedTooLateIsReportedAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		b := &body{run: func(*body) error { return errBoom }}
		r := startRoutine(l, b)
		require.Same(l, errBoom, wait(l, b.ended))
		r.SendSystemMessage(r.PID(), &pa.Watch{Watcher: l.parent}) // through a process that was kept
		require.Equal(l, r.PID().Id, wait(l, l.news).(*pa.Terminated).Who.Id)
		heard, _ := l.monitor(r.PID())
		require.ErrorIs(l, wait(l, heard).Reason, actor.ErrNoProcess)
	})
}

func TestRoutineForgetsWhoUnwatches(t *testing.T) {
	inLab(t, func(l *lab) {
		b := &body{run: func(b *body) error { <-b.cancelled; return nil }}
		r := startRoutine(l, b)
		l.do(func(ctx actor.Context) {
			ctx.Watch(r.PID())
			ctx.Unwatch(r.PID())
		})
		actor.Stop(l.sys, r.PID())
		require.NoError(l, wait(l, b.ended))
		l.quiet()
	})
}

// TestRoutineForgetsAMonitorThatIsCancelled, which leaves nothing in the registry.
func TestRoutineForgetsAMonitorThatIsCancelled(t *testing.T) {
	inLab(t, func(l *lab) {
		b := &body{run: func(b *body) error { <-b.cancelled; return nil }}
		r := startRoutine(l, b)
		r.PID()
		before := l.processes()
		ends, cancel := l.monitor(r.PID())
		cancel()
		cancel()
		synctest.Wait()
		require.Equal(l, before, l.processes())
		actor.Stop(l.sys, r.PID())
		require.NoError(l, wait(l, b.ended))
		synctest.Wait()
		require.Empty(l, ends)
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
		actor.Send(l.sys, r.PID(), "hello")
		require.Equal(l, "hello", wait(l, letters))
		actor.Stop(l.sys, r.PID())
		require.NoError(l, wait(l, b.ended))
	})
}

func TestTrap27_RoutinesPIDKeepsNoPayloadInMemory(t *testing.T) {
	l := newLab(t)
	freed := make(chan struct{})
	r := func() *Routine {
		b := &body{run: func(*body) error { return nil }}
		runtime.AddCleanup(b, func(c chan struct{}) { close(c) }, freed)
		r := startRoutine(l, b)
		require.NoError(t, wait(t, b.ended))
		return r
	}()
	requireCollected(t, freed)
	runtime.KeepAlive(r)
	require.ErrorIs(t, l.shutdown(l.parent), actor.ErrShutdown)
}

func TestRoutineIsReportedExactlyOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		for range 500 {
			start := make(chan struct{})
			b := &body{run: func(*body) error { <-start; return errBoom }}
			r := startRoutine(l, b)
			watched := make(chan *actor.Exited, 10)
			var all sync.WaitGroup
			all.Go(func() { close(start) })
			all.Go(func() { actor.OnExit(l.sys, r.PID(), func(e *actor.Exited) { watched <- e }) })
			all.Go(func() { actor.Stop(l.sys, r.PID()) })
			all.Wait()
			require.Error(l, wait(l, watched).Reason)
			synctest.Wait()
			require.Empty(l, watched)
			require.Len(l, b.ended, 1)
		}
	})
}
