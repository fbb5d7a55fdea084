package task

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGoEndsBeforeTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		var done atomic.Int32
		o := Run(t.Context(), s, 0, func(ctx context.Context) (int, error) {
			for i := range 10 {
				require.NoError(t, Go(ctx, func(ctx context.Context) error {
					time.Sleep(time.Duration(i) * time.Second)
					return Go(ctx, func(context.Context) error { time.Sleep(time.Second); done.Add(1); return nil })
				}))
			}
			return 1, nil
		})
		require.Equal(t, OK, o.Status)
		require.Equal(t, int32(10), done.Load())
		require.Equal(t, 10*time.Second, o.RunTime)
	})
}

func TestGoFirstFailureIsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		var siblings atomic.Int32
		o := Run(t.Context(), s, 0, func(ctx context.Context) (int, error) {
			for range 3 {
				require.NoError(t, Go(ctx, func(ctx context.Context) error {
					<-ctx.Done()
					if context.Cause(ctx) == errFailed { //nolint:errorlint // exactly this one
						siblings.Add(1)
					}
					return ctx.Err()
				}))
			}
			require.NoError(t, Go(ctx, func(context.Context) error { time.Sleep(time.Second); return errFailed }))
			return untilDone(ctx)
		})
		require.Equal(t, Exit, o.Status)
		require.Equal(t, errFailed, o.Reason)
		require.Equal(t, int32(3), siblings.Load(), "the failure cancels the siblings")
	})
}

func TestGoSiblingsOfAFailedFunctionAreCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, Config{})
		o := Run(t.Context(), s, 0, func(ctx context.Context) (int, error) {
			require.NoError(t, Go(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
			return 0, errFailed
		})
		require.Equal(t, errFailed, o.Reason)
	})
}

func TestGoNeedsALivingTask(t *testing.T) {
	s := started(t, Config{})
	never := func(context.Context) error { panic("called") }
	require.Equal(t, ErrNoTask, Go(t.Context(), never))
	var kept context.Context
	require.Equal(t, OK,
		Run(t.Context(), s, 0, func(ctx context.Context) (int, error) { kept = ctx; return 1, nil }).Status)
	require.Equal(t, ErrEnded, Go(kept, never))
	require.Error(t, kept.Err(), "the context ends with the task")
}

// Any code with the context may call Go, at any time: it belongs to the task, or is refused.
func TestGoAgainstTheEnd(t *testing.T) {
	s := started(t, Config{})
	for range 2000 {
		var begun, done atomic.Int32
		outside := make(chan struct{})
		o := Run(t.Context(), s, 0, func(ctx context.Context) (int, error) {
			go func() { // a goroutine outside of the task
				defer close(outside)
				for Go(ctx, func(context.Context) error { done.Add(1); return nil }) == nil {
					begun.Add(1)
				}
			}()
			return 1, nil
		})
		before := done.Load()
		<-outside
		require.Equal(t, OK, o.Status)
		require.Equal(t, before, done.Load())
		require.Equal(t, begun.Load(), done.Load())
	}
}
