package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/guard/guardtest"
)

// liar answers every question with yes, and hands itself out.
type liar struct{}

func (liar) Error() string   { return "liar" }
func (liar) Is(error) bool   { return true }
func (liar) As(any) bool     { return true }
func (l liar) Unwrap() error { return l }

// mapError is an error whose dynamic type is a map.
type mapError map[string]error

func (m mapError) Error() string { return m["none"].Error() }
func (m mapError) Unwrap() error { m["written"] = m; return m["none"] }

// askedError fails the test if its Is is called.
type askedError struct{ calls *int }

func (askedError) Error() string            { return "asked" }
func (a askedError) Is(error) bool          { *a.calls++; return true }
func (a askedError) As(any) bool            { *a.calls++; return false }
func (a askedError) Format(fmt.State, rune) { *a.calls++ }

// blocker blocks until it is released, in the method that is named.
type blocker struct {
	in      string
	release chan struct{}
}

func (b *blocker) at(method string) {
	if b.in == method {
		<-b.release
	}
}

func (b *blocker) Error() string { b.at("Error"); return "blocked" }
func (b *blocker) Unwrap() error { b.at("Unwrap"); return nil }
func (b *blocker) Stack() string { b.at("Stack"); return "" }

func hostiles() []guardtest.Case {
	return append(guardtest.Errors(),
		guardtest.Case{Name: "Error exits", Err: guardtest.Exits()},
		guardtest.Case{Name: "liar", Err: liar{}},
		guardtest.Case{Name: "map", Err: mapError(nil)},
		guardtest.Case{Name: "joined with the library's own", Err: errors.Join(guardtest.Exits(), ErrTimeout)},
		guardtest.Case{Name: "hidden in a panic error", Err: &actor.PanicError{Value: guardtest.Exits()}},
	)
}

// door is a way by which an error that user code has made gets in.
type door struct {
	name  string
	spec  func(err error) Spec
	after func(*Task[any], error) // treats the task
}

func doors() []door {
	said := func(f func(ctx context.Context, err error) error) func(error) Spec {
		return func(err error) Spec {
			return Spec{Run: func(ctx context.Context) (any, error) { return 1, f(ctx, err) }}
		}
	}
	whenTold := said(func(ctx context.Context, err error) error { <-ctx.Done(); return err })
	deaf := said(func(_ context.Context, err error) error { time.Sleep(time.Hour); return err })
	return []door{
		{"return", said(func(_ context.Context, err error) error { return err }), nil},
		{"panic", said(func(_ context.Context, err error) error { panic(err) }), nil},
		{"wrapped", said(func(_ context.Context, err error) error { return &fieldError{err} }), nil},
		{"Go returns", said(func(ctx context.Context, err error) error {
			return Go(ctx, func(context.Context) error { return err })
		}), nil},
		{"Go panics", said(func(ctx context.Context, err error) error {
			return Go(ctx, func(context.Context) error { panic(err) })
		}), nil},
		{"told to stop", whenTold, func(t *Task[any], _ error) { t.Stop(errFailed, 0) }},
		{"timeout", whenTold, func(t *Task[any], _ error) { t.Stop(ErrTimeout, 0) }},
		{"stopped by its PID", whenTold, func(t *Task[any], _ error) { t.run.Cancel() }},
		{"abandoned before", deaf, func(t *Task[any], _ error) { t.Stop(errFailed, time.Second) }},
		{"cause", whenTold, func(t *Task[any], err error) { contained(func() { t.Stop(err, 0) }) }},
		{"cause of an abandoned task", deaf, func(t *Task[any], err error) { contained(func() { t.Stop(err, 1) }) }},
		{"cause of the parent", func(err error) Spec {
			parent, cancel := context.WithCancelCause(context.Background())
			cancel(err)
			return Spec{Parent: parent, Run: func(ctx context.Context) (any, error) { return nil, context.Cause(ctx) }}
		}, nil},
	}
}

// contained calls f, whose panic or Goexit is its own affair.
func contained(f func()) { guard.Aside(f) }

// fieldError holds another in a field, and does not look at it before it must.
type fieldError struct{ cause error }

func (f *fieldError) Error() string { return "because: " + f.cause.Error() }
func (f *fieldError) Unwrap() error { return f.cause }

func TestScenario38_HostileErrorsThroughEveryDoor(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			for _, c := range hostiles() {
				synctest.Test(t, func(t *testing.T) { d.try(t, c) })
			}
		})
	}
}

func (d *door) try(t *testing.T, c guardtest.Case) {
	t.Helper()
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{MaxChildren: 2})
	own := newOwner(t, sys)
	neighbour, err := Start(t.Context(), s, untilDone)
	require.NoError(t, err)
	spec := d.spec(c.Err)
	spec.Owner, spec.Timeout = own.pid, time.Minute
	task, err := s.Spawn(spec)
	require.NoError(t, err)
	synctest.Wait()
	if d.after != nil {
		d.after(task, c.Err)
	}
	synctest.Wait()
	if d.after != nil && !task.run.scopeEnded() {
		task.Stop(nil, time.Second) // it could not be told with such a cause
	}
	o := own.next(t)
	require.Equal(t, Exit, o.Status, c.Name)
	harmless(t, c.Name, o.Reason)
	require.Equal(t, o.Reason, task.Yield(0).Reason, c.Name)
	require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status, "%s: its place is free", c.Name)
	require.False(t, neighbour.Over())
	require.Equal(t, ErrCancelled, neighbour.Shutdown(0).Reason)
	time.Sleep(2 * time.Hour)
	own.quiet(t)
	require.Zero(t, s.Stats().Running+s.Stats().Abandoned, c.Name)
}

func (r *run) scopeEnded() bool { return r.scope.state.Load() != open }

// harmless reads err in each way that the library does.
func harmless(t *testing.T, name string, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotEmpty(t, err.Error(), name)
	require.LessOrEqual(t, len(err.Error()), 64<<10, name)
	require.NotPanics(t, func() {
		for _, target := range []error{ErrAbandoned, ErrTimeout, context.Canceled, err} {
			guard.Is(err, target)
		}
		_ = actor.Stack(err)
		_ = actor.Abnormal(err)
		_ = fmt.Errorf("again: %w", err).Error()
	}, name)
}

func TestScenario38_HostileErrorsInAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		cases := hostiles()
		f := func(_ context.Context, c guardtest.Case) (int, error) { return 0, c.Err }
		got := 0
		opts := StreamOptions{Concurrency: 3, Timeout: time.Minute}
		for c, o := range StreamItems(t.Context(), s, slices.Values(cases), f, opts) {
			require.Equal(t, Exit, o.Status)
			require.Equal(t, cases[got].Name, c.Name)
			harmless(t, c.Name, o.Reason)
			got++
		}
		require.Len(t, cases, got)
	})
}

// A stream whose context ends with such a cause is over like any other.
func TestScenario38_HostileCauseOfAStream(t *testing.T) {
	for _, c := range hostiles() {
		if c.Name == "panics the second time" {
			continue // two tasks return it, and it is not safe for concurrent use
		}
		synctest.Test(t, func(t *testing.T) {
			s := started(t, Config{})
			ctx, cancel := context.WithCancelCause(t.Context())
			taken, outcomes := 0, 0
			contained(func() {
				for _, o := range Stream(ctx, s, upTo(3, &taken), func(ctx context.Context, i int) (int, error) {
					cancel(c.Err)
					return untilDone(ctx)
				}, StreamOptions{Concurrency: 2}) {
					outcomes++
					harmless(t, c.Name, o.Reason)
				}
			})
			synctest.Wait()
			if c.Name != "Error exits" && c.Name != "joined with the library's own" &&
				c.Name != "hidden in a panic error" {
				require.Equal(t, taken, outcomes, c.Name)
			}
			require.Zero(t, s.Stats().Running)
			require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
		})
	}
}

// A method of an error that blocks takes the job's own time: the task times out, and is
// abandoned.
func TestScenario38_BlockingMethodsAreTheJobsOwnTime(t *testing.T) {
	for _, in := range []string{"Error", "Unwrap", "Stack"} {
		for _, d := range doors()[:7] {
			t.Run(in+"/"+d.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { blocks(t, in, d) })
			})
		}
	}
}

func blocks(t *testing.T, in string, d door) {
	t.Helper()
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{Partitions: 1})
	own := newOwner(t, sys)
	err := &blocker{in: in, release: make(chan struct{})}
	spec := d.spec(err)
	spec.Owner, spec.Timeout = own.pid, 10*time.Second
	task, failure := s.Spawn(spec)
	require.NoError(t, failure)
	synctest.Wait()
	if d.after != nil {
		d.after(task, err)
	} else {
		require.Equal(t, Timeout, own.next(t).Status)
		task.Stop(ErrTimeout, time.Second)
	}
	require.Equal(t, OK, Run(t.Context(), s, time.Second, value(1)).Status, "others go on")
	o := own.next(t)
	require.ErrorIs(t, o.Reason, ErrAbandoned)
	require.Equal(t, 1, s.Stats().Abandoned)
	require.NotEmpty(t, task.Stack(), "it can be seen where")
	close(err.release)
	synctest.Wait()
	require.Equal(t, 0, s.Stats().Abandoned)
	own.quiet(t)
}

// The Is method of an error that user code has made is not called, not even for the error itself.
func TestScenario38_IsAndAsAreNotAsked(t *testing.T) {
	calls := 0
	for _, d := range doors() {
		synctest.Test(t, func(t *testing.T) {
			d.try(t, guardtest.Case{Name: d.name, Err: askedError{&calls}})
		})
	}
	require.Zero(t, calls)
}

// panicValue is a panic value whose methods are hostile.
type panicValue struct{ f func() string }

func (p panicValue) String() string { return p.f() }

func TestScenario38_HostilePanicValues(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = loop
	for name, v := range map[string]any{
		"nil":               nil,
		"String panics":     panicValue{func() string { panic(panicValue{func() string { panic("again") }}) }},
		"map":               loop,
		"func":              func() {},
		"Error exits":       guardtest.Exits(),
		"error inside":      struct{ Inner any }{guardtest.Exits()},
		"a typed nil":       (*fieldError)(nil),
		"pointer to itself": func() any { var p any; p = &p; return p }(),
	} {
		synctest.Test(t, func(t *testing.T) {
			s := started(t, Config{})
			for _, f := range []func(context.Context) (int, error){
				func(context.Context) (int, error) { panic(v) },
				func(ctx context.Context) (int, error) { return 1, Go(ctx, func(context.Context) error { panic(v) }) },
			} {
				o := Run(t.Context(), s, time.Minute, f)
				require.Equal(t, Exit, o.Status, name)
				_, panicked := guard.As[*actor.PanicError](o.Reason)
				require.True(t, panicked, name)
				harmless(t, name, o.Reason)
			}
			require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
		})
	}
}
