package task

import (
	"context"
	"io/fs"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// death is a way to die, and what its reason must be.
type death struct {
	name  string
	f     func(context.Context) (any, error)
	is    error
	as    any
	stack string // a function that the stack must name
}

func deaths() []death {
	errOwn := &fs.PathError{Op: "open", Path: "/", Err: errFailed}
	return []death{
		{"error", func(context.Context) (any, error) { return 1, errOwn }, errFailed, new(*fs.PathError), ""},
		{
			"panic(error)", func(context.Context) (any, error) { panic(errOwn) }, errFailed, new(*actor.PanicError),
			"deaths",
		},
		{"panic(string)", func(context.Context) (any, error) { panic("text") }, nil, new(*actor.PanicError), "deaths"},
		{
			"panic(nil)", func(context.Context) (any, error) { panic(any(nil)) }, nil, new(*runtime.PanicNilError),
			"deaths",
		},
		{
			"runtime error", func(context.Context) (any, error) { return nilMap()["x"].missing, nil }, nil,
			new(runtime.Error), "deaths",
		},
		{
			"Goexit", func(context.Context) (any, error) { runtime.Goexit(); return 1, nil }, actor.ErrGoexit,
			new(*actor.GoexitError), "deaths",
		},
		{
			"FailNow", func(context.Context) (any, error) { new(testing.T).FailNow(); return 1, nil }, actor.ErrGoexit,
			nil, "FailNow",
		},
		{"panic in a deferred call of a Goexit", func(context.Context) (any, error) {
			defer func() { panic(errOwn) }()
			runtime.Goexit()
			return 1, nil
		}, errFailed, new(*actor.PanicError), "deaths"},
		{"no function", nil, nil, new(runtime.Error), "Run"},
		{"panic in a goroutine", func(ctx context.Context) (any, error) {
			return 1, Go(ctx, func(context.Context) error { panic(errOwn) })
		}, errFailed, new(*actor.PanicError), "deaths"},
		{"Goexit in a goroutine", func(ctx context.Context) (any, error) {
			return 1, Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
		}, actor.ErrGoexit, new(*actor.GoexitError), "deaths"},
		{"error of a goroutine", func(ctx context.Context) (any, error) {
			return 1, Go(ctx, func(context.Context) error { return errOwn })
		}, errFailed, new(*fs.PathError), ""},
	}
}

func nilMap() map[string]*struct{ missing int } { return nil }

func TestScenario03_EveryWayToDie(t *testing.T) {
	for _, d := range deaths() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{MaxChildren: 1})
				own := newOwner(t, sys)
				_, err := s.Spawn(Spec{Run: d.f, Owner: own.pid})
				require.NoError(t, err)
				d.check(t, own.next(t))
				if d.f != nil {
					d.check(t, Run(t.Context(), s, 0, d.f))
				}
				require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status, "its place is free")
				synctest.Wait()
				own.quiet(t)
				require.Zero(t, s.Stats().Running)
			})
		})
	}
}

func (d *death) check(t *testing.T, o Outcome[any]) {
	t.Helper()
	require.Equal(t, Exit, o.Status)
	require.Nil(t, o.Value)
	require.Error(t, o.Reason)
	if d.is != nil {
		require.ErrorIs(t, o.Reason, d.is)
	}
	if d.as != nil {
		require.ErrorAs(t, o.Reason, d.as)
	}
	if d.stack == "" {
		require.Empty(t, actor.Stack(o.Reason))
		return
	}
	require.Contains(t, actor.Stack(o.Reason), d.stack)
}

func TestScenario03_ACancelledContext(t *testing.T) {
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
	own := newOwner(t, sys)
	for _, f := range []func(context.Context) (any, error){
		func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
		func(ctx context.Context) (any, error) { <-ctx.Done(); panic(ctx.Err()) },
	} {
		task, err := s.Spawn(Spec{Run: f, Owner: own.pid})
		require.NoError(t, err)
		task.Stop(errFailed, 0)
		o := own.next(t)
		require.Equal(t, Exit, o.Status)
		require.ErrorIs(t, o.Reason, errFailed, "the cause of the stop")
		require.ErrorIs(t, o.Reason, context.Canceled, "and what the function made of it")
	}
}

func TestAStopByPIDCancels(t *testing.T) {
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
	task, err := Start(t.Context(), s, untilDone)
	require.NoError(t, err)
	list, err := s.Tasks(t.Context())
	require.NoError(t, err)
	actor.Stop(sys, list[0].PID)
	_, err = task.Await(t.Context())
	require.ErrorIs(t, err, actor.ErrKilled)
}
