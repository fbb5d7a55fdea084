package actor

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

type numbered struct{ sender, n int }

func TestMailboxLosesNoWakeUpAndKeepsEachSendersOrder(t *testing.T) {
	const senders, each = 16, 5000
	l := newLab(t, SystemConfig{})
	next := make([]int, senders)
	total := 0
	done := make(chan struct{})
	pid := l.root(func(ctx Context) {
		m, ok := ctx.Message().(numbered)
		if !ok {
			return
		}
		if next[m.sender] != m.n {
			t.Errorf("sender %d: got %d, want %d", m.sender, m.n, next[m.sender])
		}
		next[m.sender]++
		if total++; total == senders*each {
			close(done)
		}
	})
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for n := range each {
				Send(l.sys, pid, numbered{s, n})
				if n%7 == 0 {
					runtime.Gosched() // let the mailbox run dry at times
				}
			}
		})
	}
	all.Wait()
	wait(t, done)
	require.ErrorIs(t, l.shutdown(pid), ErrShutdown)
	require.ErrorIs(t, l.shutdown(l.parent), ErrShutdown)
}

func TestMailboxPingPongNeverStalls(t *testing.T) {
	const rounds = 20_000
	l := newLab(t, SystemConfig{})
	done := make(chan struct{})
	pong := l.root(func(ctx Context) {
		if _, ok := ctx.Message().(int); ok {
			ctx.Respond(ctx.Message())
		}
	})
	ping := l.root(func(ctx Context) {
		n, ok := ctx.Message().(int)
		switch {
		case !ok:
		case n == rounds:
			close(done)
		default:
			ctx.Request(pong, n+1)
		}
	})
	Send(l.sys, ping, 0)
	wait(t, done)
	for _, pid := range []*PID{ping, pong, l.parent} {
		require.ErrorIs(t, l.shutdown(pid), ErrShutdown)
	}
}

func TestMailboxTakesSystemMessagesFirst(t *testing.T) {
	inLab(t, func(l *lab) {
		release := make(chan struct{})
		got := 0
		pid := l.child(func(ctx Context) {
			switch ctx.Message().(type) {
			case string:
				<-release
			case int:
				got++
			}
		})
		Send(l.sys, pid, "block")
		for i := range 10 {
			Send(l.sys, pid, i)
		}
		Kill(l.sys, pid)
		close(release)
		require.ErrorIs(l, l.exited(pid), ErrKilled)
		require.Zero(l, got)
	})
}

func TestMailboxTakesNilForAMessage(t *testing.T) {
	inLab(t, func(l *lab) {
		var got []any
		pid := l.child(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case nil, string:
				got = append(got, m)
			}
		})
		l.do(func(ctx Context) {
			for _, m := range []any{nil, "a", nil, "b"} {
				ctx.Send(pid, m)
			}
		})
		synctest.Wait()
		require.Equal(l, []any{nil, "a", nil, "b"}, got)
	})
}

type batch []any

func (b batch) GetMessages() []any { return b }

func TestMailboxUnpacksBatches(t *testing.T) {
	inLab(t, func(l *lab) {
		var got []any
		pid := l.child(func(ctx Context) {
			if m, ok := ctx.Message().(int); ok {
				got = append(got, m)
			}
		})
		Send(l.sys, pid, batch{1, 2, 3, 4, 5})
		synctest.Wait()
		require.Equal(l, []any{1, 2, 3, 4, 5}, got)
	})
}

func TestUserMessageCount(t *testing.T) {
	inLab(t, func(l *lab) {
		release := make(chan struct{})
		var box pa.Mailbox
		pid := l.sys.Root.Spawn(FromFunc(func(ctx Context) {
			if ctx.Message() == "block" {
				<-release
			}
		}).Configure(pa.WithMailbox(func() pa.Mailbox { box = newMailbox(); return box })))
		Send(l.sys, pid, "block")
		synctest.Wait()
		for range 5 {
			Send(l.sys, pid, "more")
		}
		require.Equal(l, 5, box.UserMessageCount())
		close(release)
		synctest.Wait()
		require.Zero(l, box.UserMessageCount())
		require.ErrorIs(l, l.shutdown(pid), ErrShutdown)
	})
}

func TestMailboxServesWhatOthersOfProtoactorAsk(t *testing.T) {
	inLab(t, func(l *lab) {
		pid := l.root(func(ctx Context) {
			if ctx.Message() == "ask" {
				ctx.Respond("answer")
			}
		})
		got, err := l.sys.Root.RequestFuture(pid, "ask", time.Second).Result()
		require.NoError(l, err)
		require.Equal(l, "answer", got)
		got, err = l.sys.Root.RequestFuture(pid, &pa.Touch{}, time.Second).Result()
		require.NoError(l, err)
		require.IsType(l, &pa.Touched{}, got)
		require.NoError(l, l.sys.Root.StopFuture(pid).Wait())
		require.False(l, Alive(l.sys, pid))
		require.NoError(l, l.sys.Root.PoisonFuture(l.root(func(Context) {})).Wait())
	})
}

// sim runs what was scheduled on the caller's goroutine, in an order that its seed decides.
type sim struct {
	r     *rand.Rand
	queue []func()
}

func (d *sim) Throughput() int   { return 1 }
func (d *sim) Schedule(f func()) { d.queue = append(d.queue, f) }

func (d *sim) drain() {
	for len(d.queue) > 0 {
		i := d.r.IntN(len(d.queue))
		f := d.queue[i]
		d.queue = append(d.queue[:i], d.queue[i+1:]...)
		ended := make(chan struct{})
		go func() { // a Goexit ends the goroutine that it happens on
			defer close(ended)
			f()
		}()
		<-ended
	}
}

func TestSeededDispatcherGivesAReproducibleOrder(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(20) {
		first := simulate(seed)
		for range 3 {
			require.Equal(t, first, simulate(seed), "seed %d", seed)
		}
		orders[first] = true
	}
	require.Greater(t, len(orders), 5)
}

// simulate returns the order in which messages of actors and of goroutines come; every third
// one crashes.
func simulate(seed uint64) string {
	d := &sim{r: rand.New(rand.NewPCG(seed, seed))}
	sys := NewSystem(SystemConfig{Dispatcher: d})
	var order []byte
	hear := func(ctx Context) {
		switch m := ctx.Message().(type) {
		case byte:
			order = append(order, m)
		case *Exited:
			order = append(order, '.')
		}
	}
	parent := SpawnRoot(sys, FromFunc(func(ctx Context) {
		if _, ok := ctx.Message().(*Started); ok {
			for i := range byte(6) {
				child := Spawn(ctx, FromFunc(func(c Context) {
					if _, ok := c.Message().(*Started); ok {
						Send(sys, ctx.Self(), 'a'+i)
						crashes[int(i)%len(crashes)].crash()
					}
				}), SpawnOptions{Monitor: true})
				Monitor(sys, ctx.Self(), child)
				process.Go(sys, func() { Send(sys, ctx.Self(), 'A'+i) })
			}
			return
		}
		hear(ctx)
	}), "parent")
	d.drain()
	Stop(sys, parent)
	d.drain()
	return string(order)
}

func TestSendAfter(t *testing.T) {
	inLab(t, func(l *lab) {
		var got atomic.Int32
		var stopped *time.Timer
		receive := func(ctx Context) {
			switch ctx.Message().(type) {
			case *Started:
				process.SendAfter(ctx, time.Hour, 1)
				stopped = process.SendAfter(ctx, 30*time.Minute, 1)
			case int:
				got.Add(1)
			}
		}
		pid := l.child(receive)
		synctest.Wait()
		require.True(l, stopped.Stop())
		time.Sleep(time.Hour - time.Nanosecond)
		synctest.Wait()
		require.Zero(l, got.Load())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.EqualValues(l, 1, got.Load())

		gone := l.child(receive)
		Kill(l.sys, gone)
		require.ErrorIs(l, l.exited(gone), ErrKilled)
		time.Sleep(2 * time.Hour)
		require.EqualValues(l, 1, got.Load())
		require.Zero(l, l.logs.n.Load(), "no dead letter")
		require.True(l, Alive(l.sys, pid))
	})
}

func TestTrap14_DeadLettersOfASystemOfOursAreHarmless(t *testing.T) {
	inLab(t, func(l *lab) {
		for range 100 {
			Send(l.sys, pa.NewPID("nonhost", "never"), 1)
			Send(l.sys, nil, 1)
			Stop(l.sys, nil)
			Kill(l.sys, pa.NewPID("nonhost", "never"))
		}
		_, err := Shutdown(context.Background(), l.sys, l.parent)
		require.NoError(l, err)
	})
}
