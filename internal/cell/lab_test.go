package cell

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/actor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// lab is a system in a bubble with one actor, the parent, which runs the errands of a test and
// passes on the ends that are reported to it. A hang is a failure at once: time passes only when
// nothing else can happen.
type lab struct {
	*testing.T
	sys    *actor.System
	parent *actor.PID
	news   chan any // *actor.Exited and *pa.Terminated
}

// errand is code for the parent's Receive.
type errand struct {
	do   func(actor.Context)
	done chan struct{}
}

func inLab(t *testing.T, f func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f(l)
		if actor.Alive(l.sys, l.parent) {
			require.ErrorIs(t, l.shutdown(l.parent), actor.ErrShutdown)
		}
	})
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, sys: actor.NewSystem(actor.SystemConfig{}), news: make(chan any, 1000)}
	l.parent = actor.SpawnRoot(l.sys, actor.FromFunc(l.receive), "parent")
	return l
}

func (l *lab) receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *errand:
		defer close(m.done)
		m.do(ctx)
	case *actor.Exited, *pa.Terminated:
		l.news <- m
	}
}

// do runs f in the parent's Receive.
func (l *lab) do(f func(actor.Context)) {
	l.Helper()
	e := &errand{do: f, done: make(chan struct{})}
	actor.Send(l.sys, l.parent, e)
	wait(l, e.done)
}

// child spawns a monitored child.
func (l *lab) child(f actor.ReceiveFunc) (pid *actor.PID) {
	l.Helper()
	l.do(func(ctx actor.Context) { pid = actor.Spawn(ctx, actor.FromFunc(f), actor.SpawnOptions{Monitor: true}) })
	return pid
}

// root spawns an actor without a parent.
func (l *lab) root(f actor.ReceiveFunc) *actor.PID {
	return actor.SpawnRoot(l.sys, actor.FromFunc(f), "root")
}

// quiet requires that no further end is reported to the parent.
func (l *lab) quiet() {
	l.Helper()
	synctest.Wait()
	l.do(func(actor.Context) {})
	require.Empty(l, l.news)
}

// processes returns how many processes the registry has.
func (l *lab) processes() (n int) {
	for _, bucket := range l.sys.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += bucket.Count()
	}
	return n
}

func (l *lab) shutdown(pid *actor.PID) error {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reason, err := actor.Shutdown(ctx, l.sys, pid)
	require.NoError(l, err, "%s does not stop", pid.Id)
	return reason
}

// monitor returns the ends that are reported to a monitor.
func (l *lab) monitor(pid *actor.PID) (ends chan *actor.Exited, cancel func()) {
	ends = make(chan *actor.Exited, 10)
	return ends, actor.OnExit(l.sys, pid, func(e *actor.Exited) { ends <- e })
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

// batch is a batch of messages.
type batch []any

func (b batch) GetMessages() []any { return b }

// crash is a way in which code can end without returning.
type crash struct {
	name  string
	crash func()
	is    func(error) bool
}

var crashes = []crash{
	{"panic", func() { panic("boom") }, func(e error) bool {
		p, ok := errors.AsType[*actor.PanicError](e)
		return ok && p.Value == "boom"
	}},
	{"panic(error)", func() { panic(errBoom) }, func(e error) bool { return errors.Is(e, errBoom) }},
	{"Goexit", runtime.Goexit, func(e error) bool { return errors.Is(e, actor.ErrGoexit) }},
	{"panic(error that exits)", func() { panic(exits{}) }, func(e error) bool {
		p, ok := errors.AsType[*actor.PanicError](e)
		return ok && p.Value == exits{} && p.Error() != ""
	}},
}

// exits is an error whose text can't be read.
type exits struct{}

func (exits) Error() string { runtime.Goexit(); return "" }

// requireCollected collects garbage until freed is closed.
func requireCollected(t *testing.T, freed <-chan struct{}) {
	t.Helper()
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond)
}
