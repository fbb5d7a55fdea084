package task

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

func TestScenario02_BareTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := started(t, Config{}), t.Context()

		o := Run(ctx, s, time.Second, value(1))
		require.Equal(t, OK, o.Status)
		require.Equal(t, 1, o.Value)
		require.NoError(t, o.Reason)

		o = Run(ctx, s, time.Second, func(context.Context) (int, error) { panic("broken") })
		require.Equal(t, Exit, o.Status)
		require.Contains(t, actor.Stack(o.Reason), "TestScenario02_BareTasks")

		slow := func(context.Context) (int, error) { time.Sleep(3 * time.Second); return 2, nil }
		o = Run(ctx, s, time.Second, slow)
		require.Equal(t, Timeout, o.Status)
		require.Equal(t, ErrTimeout, o.Reason)
		require.Equal(t, time.Second, o.RunTime)
		require.Equal(t, 1, s.Stats().Running, "the task goes on")

		require.Equal(t, Timeout, o.Task.Yield(time.Second).Status, "yielded again")
		o = o.Task.Yield(time.Minute)
		require.Equal(t, OK, o.Status)
		require.Equal(t, 2, o.Value)
		require.Equal(t, 3*time.Second, o.RunTime)
		require.Equal(t, o, o.Task.Yield(time.Second), "and after the end")

		o = Run(ctx, s, time.Second, untilDone).Task.Shutdown(time.Second)
		require.Equal(t, Exit, o.Status)
		require.Equal(t, ErrCancelled, o.Reason)

		Run(ctx, s, time.Second, slow).Task.Ignore()
		time.Sleep(time.Minute)
		require.Equal(t, Stats{Started: 5, Late: 1}, s.Stats())
	})
}

func TestAwaitWithAnEndedContextLeavesTheTaskAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		task, err := Start(t.Context(), s,
			func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil })
		require.NoError(t, err)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = task.Await(ended)
		require.Equal(t, context.Canceled, err)
		require.False(t, task.Over())
		v, err := task.Await(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.True(t, task.Over())
		for range 100 {
			v, err = task.Await(ended)
			require.NoError(t, err, "a value that is there wins")
			require.Equal(t, 1, v)
		}
	})
}

func TestAwaitReturnsTheReason(t *testing.T) {
	s := started(t, Config{})
	task, err := Start(t.Context(), s, func(context.Context) (int, error) { return 5, errFailed })
	require.NoError(t, err)
	v, err := task.Await(t.Context())
	require.Equal(t, errFailed, err)
	require.Zero(t, v, "there is no value next to an error")
}

func TestShutdown(t *testing.T) {
	finishIn := func(d time.Duration) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { time.Sleep(d); return 1, nil }
	}
	cleanUp := func(ctx context.Context) (int, error) { <-ctx.Done(); time.Sleep(time.Second); return 0, errFailed }
	for _, c := range []struct {
		name   string
		f      func(context.Context) (int, error)
		grace  time.Duration
		status Status
		is     []error
		after  time.Duration
	}{
		{"returns when told", untilDone, time.Second, Exit, []error{ErrCancelled}, 0},
		{"fails while it cleans up", cleanUp, 2 * time.Second, Exit, []error{ErrCancelled, errFailed}, time.Second},
		{"value within the grace", finishIn(time.Second), 2 * time.Second, OK, nil, time.Second},
		{"default grace", finishIn(time.Hour), 0, Exit, []error{ErrCancelled, ErrAbandoned}, defaultGrace},
		{"past the grace", finishIn(time.Hour), time.Second, Exit, []error{ErrCancelled, ErrAbandoned}, time.Second},
		{"brutal", finishIn(time.Hour), Brutal, Exit, []error{ErrCancelled, ErrAbandoned}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started(t, Config{})
				task, err := Start(t.Context(), s, c.f)
				require.NoError(t, err)
				synctest.Wait()
				begin := time.Now()
				o := task.Shutdown(c.grace)
				require.Equal(t, c.status, o.Status)
				require.Equal(t, c.after, time.Since(begin))
				for _, target := range c.is {
					require.ErrorIs(t, o.Reason, target)
				}
				time.Sleep(2 * time.Hour)
				again := task.Shutdown(c.grace)
				require.Equal(t, o, again, "what is out doesn't change")
			})
		})
	}
}

func TestShutdownReturnsTheValueThatIsThere(t *testing.T) {
	s := started(t, Config{})
	task, err := Start(t.Context(), s, value("here"))
	require.NoError(t, err)
	require.Equal(t, OK, task.Yield(Forever).Status)
	o := task.Shutdown(Brutal)
	require.Equal(t, OK, o.Status)
	require.Equal(t, "here", o.Value)
}

func TestParentContextCancelsTheTask(t *testing.T) {
	s := started(t, Config{})
	type key struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	task, err := Start(parent, s, func(ctx context.Context) (any, error) {
		<-ctx.Done()
		return ctx.Value(key{}), nil
	})
	require.NoError(t, err)
	cancel(errFailed)
	v, err := task.Await(t.Context())
	require.NoError(t, err)
	require.Equal(t, "value", v)

	o := Run(parent, s, 0, untilDone)
	require.Equal(t, errFailed, o.Reason)
}

func TestTasksStartTasks(t *testing.T) {
	s := started(t, Config{})
	o := Run(t.Context(), s, 0, func(ctx context.Context) (uint64, error) {
		inner := Run(ctx, s, 0, func(ctx context.Context) (uint64, error) {
			return ctx.Value(runKey{}).(*run).id, nil
		})
		return inner.Value, inner.Reason
	})
	require.Equal(t, OK, o.Status)
	require.NotEqual(t, o.Task.ID(), o.Value, "the innermost task is the one that Go finds")
}

func TestAs(t *testing.T) {
	s := started(t, Config{})
	o := Run(t.Context(), s, 0, value[any]("text"))
	require.Equal(t, "text", As[string](&o).Value)
	require.Zero(t, As[int](&o).Value)
	require.Equal(t, o.Task.ID(), As[string](&o).Task.ID())
	require.Nil(t, As[string](&Outcome[any]{}).Task)
}

func TestStatusStrings(t *testing.T) {
	for s, want := range map[Status]string{OK: "ok", Exit: "exit", Timeout: "timeout", 9: "status(9)"} {
		require.Equal(t, want, s.String())
	}
}

var errFailed = errors.New("failed")
