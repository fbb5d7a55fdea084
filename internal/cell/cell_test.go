package cell

import (
	"runtime"
	"sync/atomic"
	"testing"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// handler is a Handler that records what happens to it.
type handler struct {
	cell  *Cell
	got   chan any
	ended chan error
}

// Receive runs what it is told to, and records the rest.
func (h *handler) Receive(msg any) {
	if f, ok := msg.(func()); ok {
		f()
		return
	}
	h.got <- msg
}

func (h *handler) Ended(reason error) { h.ended <- reason }

func startCell(l *lab) *handler {
	h := &handler{cell: &Cell{}, got: make(chan any, 100), ended: make(chan error, 10)}
	h.cell.Start(l.sys, "cell", h)
	return h
}

func TestCellReceivesEverythingInOrder(t *testing.T) {
	inLab(t, func(l *lab) {
		h := startCell(l)
		for i := range 10 {
			switch i % 3 {
			case 0:
				h.cell.Post(i)
			case 1:
				h.cell.PostLast(i)
			default:
				actor.Send(l.sys, h.cell.PID(), i)
			}
		}
		for i := range 10 {
			require.Equal(l, i, wait(l, h.got))
		}
		h.cell.Exit(nil)
		require.NoError(l, wait(l, h.ended))
	})
}

// TestCellPostLastRunsOnTheCallersGoroutine, if the cell is idle.
func TestCellPostLastRunsOnTheCallersGoroutine(t *testing.T) {
	inLab(t, func(l *lab) {
		h := startCell(l)
		done := false // the race detector watches over it
		h.cell.PostLast(func() { done = true })
		require.True(l, done)
		h.cell.Exit(nil)
	})
}

func TestCellIsEndedByEachStop(t *testing.T) {
	inLab(t, func(l *lab) {
		for reason, stop := range map[error]func(*Cell){
			errBoom:         func(c *Cell) { c.Exit(errBoom) },
			actor.ErrKilled: func(c *Cell) { actor.Kill(l.sys, c.PID()) },
			actor.ErrShutdown: func(c *Cell) {
				actor.Stop(l.sys, c.PID())
				c.Exit(errBoom) // too late
			},
		} {
			h := startCell(l)
			heard, _ := l.monitor(h.cell.PID())
			stop(h.cell)
			require.ErrorIs(l, wait(l, h.ended), reason)
			require.ErrorIs(l, wait(l, heard).Reason, reason)
			require.False(l, actor.Alive(l.sys, h.cell.PID()))
			h.cell.Post("too late")
			l.quiet()
			require.Empty(l, h.ended)
			require.Empty(l, h.got)
		}
	})
}

func TestTrap01_ACellOutlivesNoCrash(t *testing.T) {
	for _, c := range crashes {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				for _, post := range []func(*Cell, any){(*Cell).Post, func(c *Cell, m any) { go c.PostLast(m) }} {
					h := startCell(l)
					post(h.cell, c.crash)
					require.True(l, c.is(wait(l, h.ended)))
					l.quiet()
				}
			})
		})
	}
}

// TestCellExitsInTheMidstOfAMessage: that one is the last, and its crash is worse than the normal
// end that it asked for.
func TestCellExitsInTheMidstOfAMessage(t *testing.T) {
	inLab(t, func(l *lab) {
		h := startCell(l)
		h.cell.Post(func() {
			h.cell.Post("never")
			h.cell.Exit(nil)
			panic(errBoom)
		})
		require.ErrorIs(l, wait(l, h.ended), errBoom)
		require.Empty(l, h.got)
	})
}

// TestCellKilledWhileItIsBusy ends when its Receive returns, once.
func TestCellKilledWhileItIsBusy(t *testing.T) {
	inLab(t, func(l *lab) {
		h, busy, release := startCell(l), make(chan struct{}), make(chan struct{})
		h.cell.Post(func() { close(busy); <-release })
		<-busy
		actor.Kill(l.sys, h.cell.PID())
		l.quiet()
		require.Empty(l, h.ended)
		close(release)
		require.ErrorIs(l, wait(l, h.ended), actor.ErrKilled)
	})
}

// TestCellEndsOnce, however many goroutines post and stop it at the same time.
func TestCellEndsOnce(t *testing.T) {
	l := newLab(t)
	for range 1000 {
		h := startCell(l)
		var started atomic.Int32
		for i := range 4 {
			go func() {
				started.Add(1)
				for started.Load() < 4 {
					runtime.Gosched()
				}
				if i%2 == 0 {
					h.cell.PostLast(func() {})
				} else {
					h.cell.Exit(nil)
				}
			}()
		}
		require.NoError(t, wait(t, h.ended))
		require.Empty(t, h.ended)
	}
	require.ErrorIs(t, l.shutdown(l.parent), actor.ErrShutdown)
}

func TestCellThatIsGonePassesMessagesToTheDeadLetters(t *testing.T) {
	inLab(t, func(l *lab) {
		letters := make(chan any, 10)
		l.sys.EventStream.Subscribe(func(e any) {
			if d, ok := e.(*pa.DeadLetterEvent); ok {
				letters <- d.Message
			}
		})
		h := startCell(l)
		pid := h.cell.PID()
		h.cell.Exit(nil)
		require.NoError(l, wait(l, h.ended))
		actor.Send(l.sys, pid, "hello")
		require.Equal(l, "hello", wait(l, letters))
		heard, _ := l.monitor(pid)
		require.ErrorIs(l, wait(l, heard).Reason, actor.ErrNoProcess)
	})
}

// TestCellUnaskedIsInNoRegistry: a cell whose PID is not asked for costs the registry
// nothing; asked after its end it has one, at which no process lives.
func TestCellUnaskedIsInNoRegistry(t *testing.T) {
	inLab(t, func(l *lab) {
		require.Nil(l, (&Cell{}).PID())
		before := atomic.LoadUint64(&l.sys.ProcessRegistry.SequenceID)
		h := startCell(l)
		h.cell.PostLast(func() {})
		h.cell.Exit(nil)
		require.NoError(l, wait(l, h.ended))
		require.Equal(l, before, atomic.LoadUint64(&l.sys.ProcessRegistry.SequenceID))
		require.False(l, actor.Alive(l.sys, h.cell.PID()))
	})
}

func TestTrap27_CellsPIDKeepsNoPayloadInMemory(t *testing.T) {
	l := newLab(t)
	freed := make(chan struct{})
	c := func() *Cell {
		h := startCell(l)
		runtime.AddCleanup(h, func(c chan struct{}) { close(c) }, freed)
		c := h.cell
		c.Exit(nil)
		require.NoError(t, wait(t, h.ended))
		return c
	}()
	requireCollected(t, freed)
	runtime.KeepAlive(c)
	require.ErrorIs(t, l.shutdown(l.parent), actor.ErrShutdown)
}
