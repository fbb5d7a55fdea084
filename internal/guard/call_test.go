package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/guard/guardtest"
)

var errCrashed = errors.New("crashed")

func host() *guard.Host {
	return guard.NewHost(func(value any, returned bool) error {
		if value != nil || !returned {
			return errCrashed
		}
		return nil
	})
}

// TestCall_Ends with what the function returned, or how it failed.
func TestCall_Ends(t *testing.T) {
	h := host()
	for name, c := range map[string]struct {
		f    func() (int, error)
		want error
	}{
		"value":  {func() (int, error) { return 1, nil }, nil},
		"error":  {func() (int, error) { return 0, io.EOF }, io.EOF},
		"panic":  {func() (int, error) { panic("bug") }, errCrashed},
		"nil":    {func() (int, error) { panic(nil) }, errCrashed},
		"Goexit": {func() (int, error) { runtime.Goexit(); return 0, nil }, errCrashed},
	} {
		v, err := guard.Call(t.Context(), h.Hook(name, time.Second),
			func(context.Context) (int, error) { return c.f() })
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, c.want == nil, v == 1, name)
	}
	require.Equal(t, map[string]guard.Stats{"panic": {Failed: 1}, "nil": {Failed: 1}, "Goexit": {Failed: 1}}, h.Stats())
}

// TestCall_SealsErrors on the goroutine of the call.
func TestCall_SealsErrors(t *testing.T) {
	for _, c := range guardtest.Errors() {
		_, err := guard.Call(t.Context(), host().Hook("f", time.Second),
			func(context.Context) (int, error) { return 0, c.Err })
		_, sealed := guard.As[*guard.SealedError](err)
		require.True(t, sealed, c.Name)
	}
}

// TestCall_BoundsWhatIsLeftBehind: however often a function that hangs is called, no more than
// MaxHung goroutines are in it, further calls fail at once, and when it returns it is called again.
func TestCall_BoundsWhatIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook, release, inside := host().Hook("f", time.Second), make(chan struct{}), atomic.Int32{}
		call := func() error {
			_, err := guard.Call(t.Context(), hook, func(ctx context.Context) (int, error) {
				inside.Add(1)
				<-release
				assert.ErrorIs(t, context.Cause(ctx), guard.ErrLate)
				return 0, nil
			})
			return err
		}
		begin := time.Now()
		for range guard.MaxHung {
			err := call()
			require.ErrorIs(t, err, guard.ErrLate)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.EqualError(t, err, "gentask: f did not return within 1s")
		}
		require.Equal(t, guard.MaxHung*time.Second, time.Since(begin))
		for range 1000 {
			require.ErrorIs(t, call(), guard.ErrHung)
		}
		require.Equal(t, guard.MaxHung*time.Second, time.Since(begin), "at once")
		require.EqualValues(t, guard.MaxHung, inside.Load())
		require.Equal(t, guard.Stats{Late: guard.MaxHung, Hung: guard.MaxHung, Refused: 1000}, hook.Stats())
		close(release)
		synctest.Wait()
		require.Zero(t, hook.Hung())
		v, err := guard.Call(t.Context(), hook, func(context.Context) (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})
}

// TestCall_ThatIsInterrupted returns at once. The function counts as hung when its time is over, if
// it has not heeded its context by then.
func TestCall_ThatIsInterrupted(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		t.Run(fmt.Sprint(heeds), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook, release := host().Hook("f", time.Minute), make(chan struct{})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(io.EOF) })
				begin := time.Now()
				_, err := guard.Call(ctx, hook, func(ctx context.Context) (int, error) {
					if <-ctx.Done(); !heeds {
						<-release
					}
					return 0, nil
				})
				require.ErrorIs(t, err, io.EOF)
				require.Equal(t, time.Second, time.Since(begin))
				require.Zero(t, hook.Hung())
				time.Sleep(2 * time.Minute)
				require.Equal(t, heeds, hook.Hung() == 0)
				close(release)
				synctest.Wait()
				require.Zero(t, hook.Hung())
			})
		})
	}
}

// TestHost_Inside recognizes its own functions, however deep, and no others.
func TestHost_Inside(t *testing.T) {
	mine, other := host(), host()
	require.False(t, mine.Inside())
	for _, deep := range []int{0, 10, 1000} {
		mine.Run(func() {
			down(deep, func() {
				require.True(t, mine.Inside(), deep)
				require.False(t, other.Inside(), deep)
				other.Run(func() { require.True(t, mine.Inside() && other.Inside(), deep) })
				guard.Aside(func() { assert.False(t, mine.Inside(), "another goroutine") })
			})
		})
		_, err := guard.Call(t.Context(), mine.Hook("f", 0), func(context.Context) (int, error) {
			down(deep, func() { assert.True(t, mine.Inside(), deep) })
			return 0, nil
		})
		require.NoError(t, err)
	}
	require.False(t, mine.Inside())
}

func down(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	down(n-1, f)
}
