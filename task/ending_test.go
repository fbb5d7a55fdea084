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

	"github.com/gentask/gentask/actor"
)

// TestEndingIsWhatHappened: Ending is that of the task itself, and not that of another task in the
// error that it returned.
func TestEndingIsWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		inner := func(f func(context.Context) (any, error)) error {
			return Run(t.Context(), s, time.Hour, f).Reason
		}
		panics := func(context.Context) (any, error) { panic("no") }
		exits := func(context.Context) (any, error) { runtime.Goexit(); return nil, nil }
		for want, fs := range map[Ending][]func(context.Context) (any, error){
			Returned: {
				func(context.Context) (any, error) { return 1, nil },
				func(context.Context) (any, error) { return nil, errors.New("failed") },
				func(context.Context) (any, error) { return nil, inner(panics) },
				func(context.Context) (any, error) { return nil, fmt.Errorf("it: %w", inner(exits)) },
				func(context.Context) (any, error) { return nil, ErrAbandoned },
				func(ctx context.Context) (any, error) {
					return nil, Go(ctx, func(context.Context) error { return inner(panics) })
				},
			},
			Panicked: {
				panics, func(context.Context) (any, error) { panic(inner(exits)) },
				func(ctx context.Context) (any, error) {
					return nil, Go(ctx, func(context.Context) error { panic(ErrTimeout) })
				},
			},
			Exited: {exits, func(ctx context.Context) (any, error) {
				return nil, Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
			}},
		} {
			for i, f := range fs {
				o := Run(t.Context(), s, time.Hour, f)
				require.Equal(t, want, o.Ending, "%v, %d: %v", want, i, o.Reason)
				require.NoError(t, o.Cause)
			}
		}
	})
}

// TestEndingOfWhatWasStopped: the cause is that of the stop, and not an error of the task's own.
func TestEndingOfWhatWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		heeds := func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, context.Cause(ctx) }
		told, err := Start(t.Context(), s, heeds)
		require.NoError(t, err)
		require.Equal(t, NotEnded, told.Yield(time.Second).Ending)
		o := told.Shutdown(time.Second)
		require.Equal(t, Returned, o.Ending)
		require.Equal(t, ErrCancelled, o.Cause)

		release := make(chan struct{})
		deaf, err := Start(t.Context(), s, func(context.Context) (any, error) { <-release; return 1, nil })
		require.NoError(t, err)
		o = deaf.Shutdown(Brutal)
		require.Equal(t, Abandoned, o.Ending)
		require.Equal(t, ErrCancelled, o.Cause)
		close(release)

		own := Run(t.Context(), s, time.Hour, func(ctx context.Context) (any, error) {
			_ = Go(ctx, func(context.Context) error { return ErrCancelled })
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		require.NoError(t, own.Cause, "nobody told it to stop")
		require.ErrorIs(t, own.Reason, ErrCancelled)
	})
}

// TestUnanswered: a timeout is unanswered until the owner extends or stops the task, and again when
// the next one comes.
func TestUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{})
		o := newOwner(t, sys)
		heeds := func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
		task, err := s.Spawn(Spec{Run: heeds, Owner: o.pid, Timeout: time.Second})
		require.NoError(t, err)
		time.Sleep(time.Second - 1)
		require.Zero(t, task.Unanswered())
		time.Sleep(time.Minute)
		require.InDelta(t, time.Minute, task.Unanswered(), float64(time.Millisecond))
		require.Equal(t, Timeout, o.next(t).Status)
		task.Extend(time.Second)
		synctest.Wait()
		require.Zero(t, task.Unanswered())
		time.Sleep(2 * time.Second)
		require.InDelta(t, time.Second, task.Unanswered(), float64(time.Millisecond))
		task.Stop(nil, time.Second)
		synctest.Wait()
		require.Zero(t, task.Unanswered())
	})
}
