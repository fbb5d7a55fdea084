package actor

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a system in a bubble with one parent, which runs the errands of a test and passes on what
// is reported to it. A hang is a failure at once: time passes only when nothing else can happen.
type lab struct {
	*testing.T
	sys    *System
	parent *PID
	news   chan any // *Exited, *Ready and *pa.Terminated, as the parent gets them
	logs   *counter
}

// errand is what the parent does in its Receive.
type errand struct {
	do   func(Context)
	done chan struct{}
}

func inLab(t *testing.T, f func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, SystemConfig{})
		f(l)
		if Alive(l.sys, l.parent) {
			require.ErrorIs(t, l.shutdown(l.parent), ErrShutdown)
		}
	})
}

func newLab(t *testing.T, cfg SystemConfig) *lab {
	t.Helper()
	l := &lab{T: t, news: make(chan any, 100_000), logs: &counter{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(l.logs)
	}
	l.sys = NewSystem(cfg)
	l.logs.n.Store(0) // protoactor-go logs a greeting
	l.parent = SpawnRoot(l.sys, FromFunc(l.receive), "parent")
	return l
}

func (l *lab) receive(ctx Context) {
	switch m := ctx.Message().(type) {
	case *errand:
		defer close(m.done)
		m.do(ctx)
	case *Exited, *Ready, *pa.Terminated:
		l.news <- m
	}
}

// do runs f in the parent's Receive.
func (l *lab) do(f func(Context)) {
	l.Helper()
	e := &errand{do: f, done: make(chan struct{})}
	Send(l.sys, l.parent, e)
	wait(l, e.done)
}

func (l *lab) spawn(props *Props, opts SpawnOptions) (pid *PID) {
	l.Helper()
	l.do(func(ctx Context) { pid = Spawn(ctx, props, opts) })
	return pid
}

// child spawns a monitored child.
func (l *lab) child(f ReceiveFunc) *PID {
	l.Helper()
	return l.spawn(FromFunc(f), SpawnOptions{Name: "child", Monitor: true})
}

// root spawns an actor without a parent.
func (l *lab) root(f ReceiveFunc) *PID { return SpawnRoot(l.sys, FromFunc(f), "root") }

// exited waits for the parent's next *Exited and returns its reason.
func (l *lab) exited(pid *PID) error {
	l.Helper()
	for {
		if e, ok := wait(l, l.news).(*Exited); ok {
			require.Equal(l, pid.Id, e.PID.Id)
			return e.Reason
		}
	}
}

// quiet requires that nothing more is reported to the parent.
func (l *lab) quiet() {
	l.Helper()
	l.settle()
	require.Empty(l, l.news)
}

// settle waits until nothing more happens, and the parent has handled everything.
func (l *lab) settle() {
	l.Helper()
	synctest.Wait()
	if Alive(l.sys, l.parent) {
		l.do(func(Context) {})
	}
}

func (l *lab) shutdown(pid *PID) error {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reason, err := Shutdown(ctx, l.sys, pid)
	require.NoError(l, err, "%s does not stop", pid.Id)
	return reason
}

// monitor returns the ends that are reported to a monitor.
func (l *lab) monitor(pid *PID) (heard chan *Exited, cancel func()) {
	heard = make(chan *Exited, 10)
	return heard, newMonitor(l.sys, pid, func(e *Exited) { heard <- e }).cancel
}

func wait[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing came in a minute")
	}
	return v
}

// counter is a slog.Handler that counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }

func (c *counter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

func (c *counter) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *counter) WithGroup(string) slog.Handler      { return c }
