package task

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/actor"
)

// inTask returns the context of a task that does nothing, and the task.
func inTask(t *testing.T, s *Supervisor, spec Spec) (context.Context, *Task[any]) {
	t.Helper()
	got := make(chan context.Context, 1)
	spec.Run = func(ctx context.Context) (any, error) {
		got <- ctx
		<-ctx.Done()
		return nil, ctx.Err()
	}
	task, err := s.Spawn(spec)
	require.NoError(t, err)
	return <-got, task
}

func TestDeadlineOfTheContext(t *testing.T) {
	for _, c := range []struct {
		name            string
		timeout, parent time.Duration
		extend          []time.Duration
		want            time.Duration // zero: none
	}{
		{name: "none"},
		{name: "timeout", timeout: time.Minute, want: time.Minute},
		{name: "parent", parent: time.Minute, want: time.Minute},
		{name: "parent is earlier", timeout: time.Hour, parent: time.Minute, want: time.Minute},
		{name: "timeout is earlier", timeout: time.Minute, parent: time.Hour, want: time.Minute},
		{name: "extended", timeout: time.Minute, extend: []time.Duration{time.Hour}, want: time.Hour},
		{
			name: "extended twice", timeout: time.Minute,
			extend: []time.Duration{time.Hour, 2 * time.Hour}, want: 2 * time.Hour,
		},
		{name: "extended without a timeout", extend: []time.Duration{time.Hour}, want: time.Hour},
		{name: "extended for ever", timeout: time.Minute, extend: []time.Duration{Forever}},
		{name: "for ever", timeout: Forever},
		{name: "nearly for ever", timeout: Forever - 1, want: Forever - 1},
		{name: "never", timeout: -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, begin := started(t, Config{}), time.Now()
				spec := Spec{Timeout: c.timeout}
				if c.parent != 0 {
					parent, cancel := context.WithTimeout(t.Context(), c.parent)
					defer cancel()
					spec.Parent = parent
				}
				ctx, task := inTask(t, s, spec)
				for _, d := range c.extend {
					task.Extend(d)
				}
				synctest.Wait()
				at, ok := ctx.Deadline()
				require.Equal(t, c.want != 0, ok)
				if ok {
					require.Equal(t, c.want, at.Sub(begin))
				}
				task.Shutdown(0)
			})
		})
	}
}

// derivations are contexts that derive from a task's in every way of package context's.
func derivations(ctx context.Context) (all map[string]context.Context, cancel func()) {
	type key struct{}
	a, cancelA := context.WithCancel(ctx)
	b, cancelB := context.WithTimeout(ctx, 24*time.Hour)
	c, cancelC := context.WithCancelCause(context.WithValue(ctx, key{}, 1))
	d, cancelD := context.WithDeadlineCause(context.WithValue(b, key{}, 1), time.Now().Add(48*time.Hour), errFailed)
	return map[string]context.Context{
		"itself": ctx, "WithCancel": a, "WithTimeout": b, "WithValue": context.WithValue(ctx, key{}, 1),
		"WithCancelCause": c, "WithDeadlineCause": d,
	}, func() { cancelA(); cancelB(); cancelC(nil); cancelD() }
}

func TestATimeoutIsADeadline(t *testing.T) {
	own := &fieldError{errFailed}
	for _, c := range []struct {
		name        string
		cause       error
		err, cause2 error
	}{
		{"timeout", ErrTimeout, context.DeadlineExceeded, ErrTimeout},
		{"wrapped", &fieldError{ErrTimeout}, context.DeadlineExceeded, ErrTimeout},
		{"cancelled", nil, context.Canceled, ErrCancelled},
		{"with a cause", own, context.Canceled, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started(t, Config{})
				ctx, task := inTask(t, s, Spec{Timeout: time.Minute})
				all, cancel := derivations(ctx)
				defer cancel()
				called := make(chan error, 1)
				context.AfterFunc(ctx, func() { called <- context.Cause(ctx) })
				detached := context.WithoutCancel(ctx)
				for name, derived := range all {
					require.NoError(t, derived.Err(), name)
					require.NoError(t, context.Cause(derived), name)
				}
				task.Stop(c.cause, time.Second)
				require.ErrorIs(t, task.Yield(time.Hour).Reason, c.cause2)
				all["derived after the end"], cancel = context.WithCancel(ctx)
				defer cancel()
				for name, derived := range all {
					select {
					case <-derived.Done():
					default:
						require.Fail(t, "not done", name)
					}
					require.Equal(t, c.err, derived.Err(), name)
					require.ErrorIs(t, context.Cause(derived), c.cause2, name)
				}
				require.ErrorIs(t, <-called, c.cause2)
				require.NoError(t, detached.Err())
				require.NoError(t, context.Cause(detached))
			})
		})
	}
	require.ErrorIs(t, ErrTimeout, context.DeadlineExceeded)
	require.EqualError(t, ErrTimeout, "task: timeout")
}

// The same holds for a task that has looked at nothing before.
func TestATimeoutIsADeadlineForALateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		o := Run(t.Context(), s, 0, func(ctx context.Context) (int, error) {
			r := ctx.Value(runKey{}).(*run)
			r.handle.Stop(ErrTimeout, time.Hour)
			synctest.Wait()
			require.Equal(t, ErrTimeout, context.Cause(ctx))
			require.Equal(t, context.DeadlineExceeded, ctx.Err())
			require.False(t, r.scope.made.Load())
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			require.Equal(t, ErrTimeout, context.Cause(derived))
			require.Equal(t, context.DeadlineExceeded, derived.Err())
			return 1, nil
		})
		require.Equal(t, OK, o.Status, o.Reason)
	})
}

func TestDerivedContextsCostNoGoroutine(t *testing.T) {
	type key struct{}
	for name, parent := range map[string]context.Context{
		"background":  context.Background(),
		"cancellable": t.Context(),
	} {
		s := started(t, Config{})
		ctx, task := inTask(t, s, Spec{Parent: parent, Timeout: time.Hour})
		func() {
			before := runtime.NumGoroutine()
			for range 1000 {
				derived, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Minute)
				defer cancel()
				defer context.AfterFunc(derived, func() {})() // each function that is called has a goroutine
			}
			require.Less(t, runtime.NumGoroutine(), before+100, name)
		}()
		task.Shutdown(0)
	}
}

// brokenParent is a context, made by user code, that breaks the rules of package context.
type brokenParent struct {
	context.Context
	done chan struct{}
	err  func() error
}

func (b brokenParent) Done() <-chan struct{} { return b.done }
func (b brokenParent) Err() error            { return b.err() }

func TestScenario38_ParentsOfAnyType(t *testing.T) {
	for name, err := range map[string]func() error{
		"Err is nil":     func() error { return nil },
		"Err panics":     func() error { panic("no error") },
		"Err is hostile": func() error { return (*fieldError)(nil) },
		"Err exits":      func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started(t, Config{})
				ended := false
				parent := brokenParent{t.Context(), make(chan struct{}), func() error {
					if !ended {
						return nil
					}
					return err()
				}}
				task, failure := Start(parent, s, func(ctx context.Context) (int, error) {
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					<-derived.Done()
					return 1, derived.Err()
				})
				require.NoError(t, failure)
				synctest.Wait()
				ended = true
				close(parent.done)
				synctest.Wait()
				if name == "Err exits" { // the parent never told that it has ended
					task.Stop(context.Canceled, time.Second)
				}
				o := task.Yield(time.Minute)
				require.Equal(t, Exit, o.Status)
				require.ErrorIs(t, o.Reason, context.Canceled)
				require.Equal(t, OK, Run(t.Context(), s, 0, value(1)).Status)
			})
		})
	}
}

// However a task's context is used, and however its parent ends, it is what package context
// would have made of it.
func TestContextAgainstPackageContext(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		what := rapid.SampledFrom([]string{"look", "derive", "cancel parent", "parent times out", "stop", "wait"})
		steps := rapid.SliceOfN(what, 1, 8).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { againstPackageContext(t, steps) })
	})
}

func againstPackageContext(t *testing.T, steps []string) {
	s := started(t, Config{})
	timed, cancelTimed := context.WithTimeout(context.Background(), time.Minute)
	defer cancelTimed()
	parent, cancelParent := context.WithCancelCause(timed)
	defer cancelParent(nil)
	got := make(chan context.Context, 1)
	task, err := Start(parent, s, func(ctx context.Context) (int, error) {
		got <- ctx
		time.Sleep(time.Hour)
		return 1, nil
	})
	require.NoError(t, err)
	ctx := <-got
	model, cancelModel := context.WithCancelCause(parent)
	defer cancelModel(nil)
	var derived []context.Context
	for _, step := range steps {
		switch step {
		case "look":
			_ = ctx.Done()
		case "derive":
			d, cancel := context.WithCancel(ctx)
			defer cancel()
			derived = append(derived, d)
		case "cancel parent":
			cancelParent(errFailed)
		case "parent times out":
			time.Sleep(time.Minute)
		case "stop":
			task.Stop(ErrClosed, Forever)
			synctest.Wait()
			cancelModel(ErrClosed)
		}
		synctest.Wait()
		for _, d := range append([]context.Context{ctx}, derived...) {
			require.Equal(t, model.Err(), d.Err(), steps)
			require.Equal(t, context.Cause(model), context.Cause(d), steps)
		}
	}
	require.Equal(t, 1, task.Yield(Forever).Value)
	require.Error(t, ctx.Err())
	for _, d := range derived {
		require.Error(t, d.Err())
	}
}

// A parent that lives long does not keep the tasks that it had.
func TestTheParentForgetsItsTasks(t *testing.T) {
	s := started(t, Config{})
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := make(chan struct{}, 1)
	func() {
		ctx, task := inTask(t, s, Spec{Parent: parent})
		runtime.AddCleanup(task.run, func(c chan struct{}) { c <- struct{}{} }, gone)
		require.NoError(t, ctx.Err())
		task.Shutdown(0)
	}()
	require.Eventually(t, func() bool { runtime.GC(); return len(gone) > 0 }, time.Minute, time.Millisecond)
}

func TestTheCauseOfAStopIsWhatWasGiven(t *testing.T) {
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
	own := newOwner(t, sys)
	given := &fieldError{errors.New("given")}
	var seen error
	task, err := s.Spawn(Spec{Owner: own.pid, Run: func(ctx context.Context) (any, error) {
		<-ctx.Done()
		seen = context.Cause(ctx)
		return nil, seen
	}})
	require.NoError(t, err)
	task.Stop(given, 0)
	o := own.next(t)
	require.Same(t, given, seen)
	var as *fieldError
	require.ErrorAs(t, o.Reason, &as)
	require.Same(t, given, as)
	require.Equal(t, "because: given", o.Reason.Error(), "the cause and what was returned are the same")
}

// The context of a task is a parent like any other.
func TestTheContextOfATaskWithinATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		ctx, outer := inTask(t, s, Spec{Timeout: time.Minute, Name: "outer"})
		before := runtime.NumGoroutine()
		inner, task := inTask(t, s, Spec{Parent: ctx, Timeout: time.Hour})
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before+1, "nothing but the task itself")
		require.Equal(t, `task 1 "outer"`, fmt.Sprint(ctx))
		require.Equal(t, `task 1 "outer".WithCancel`, fmt.Sprint(derivedFrom(t, ctx)))
		at, _ := inner.Deadline()
		require.Equal(t, time.Minute, time.Until(at), "the earlier one")
		outer.Stop(ErrTimeout, time.Second)
		o := task.Yield(time.Minute)
		require.Equal(t, context.DeadlineExceeded, o.Reason)
		require.NoError(t, o.Cause, "it was not told to stop itself")
		require.Equal(t, ErrTimeout, context.Cause(inner))
		require.Equal(t, context.DeadlineExceeded, inner.Err())
	})
}

func derivedFrom(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	derived, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	return derived
}
