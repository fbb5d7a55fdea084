package gentask_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestHealth_CountsWhatEnded: each delivery counts by how it was settled, over crashes and new
// starts.
func TestHealth_CountsWhatEnded(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes, r.Allow.Logged = true, true
		c := r.Start(r.Handle(func(_ context.Context, id string) error {
			switch id {
			case "1", "2", "3":
				return errDown // an attempt that is tried again, and a dead letter
			}
			return nil
		}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 2}})
		r.Publish(10)
		r.Finish()
		counts := func() [3]uint64 { h := c.Health(); return [3]uint64{h.Done, h.Retried, h.DeadLettered} }
		require.Equal(r, [3]uint64{7, 3, 3}, counts())
		r.Kill("ledger")
		r.Stop(c)
		require.Equal(r, [3]uint64{7, 3, 3}, counts())
		require.NoError(r, c.Start())
		r.Publish(5)
		r.Finish()
		require.Equal(r, [3]uint64{12, 3, 3}, counts())
	})
}

// TestSetConcurrency: more are started at once, too many run on to their end, and a ledger that
// crashes doesn't forget it.
func TestSetConcurrency(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(1000)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }),
			gentask.Config{Concurrency: 5, Prefetch: 20})
		running := func(n int) {
			r.Helper()
			time.Sleep(11 * time.Second)
			require.Equal(r, n, r.Runs.Now())
			require.Equal(r, n, c.Health().Concurrency)
		}
		running(5)
		require.NoError(r, c.SetConcurrency(r.Context(), 20))
		r.Rest()
		require.Equal(r, 20, r.Runs.Now(), "at once")
		running(20)
		require.NoError(r, c.SetConcurrency(r.Context(), 1))
		r.Rest()
		require.Equal(r, 20, r.Runs.Now(), "what runs is left alone")
		running(1)
		r.Kill("ledger")
		running(1)
		for _, n := range []int{0, -1, 21} {
			require.ErrorIs(r, c.SetConcurrency(r.Context(), n), gentask.ErrConfig)
		}
		require.ErrorContains(r, c.SetConcurrency(r.Context(), 21), "SetConcurrency to 21; want 1 to 20, which is Config.Prefetch")
		require.NoError(r, c.SetConcurrency(r.Context(), 20))
		r.Limit = time.Hour
		r.Finish()
		r.Stop(c)
		require.ErrorIs(r, c.SetConcurrency(r.Context(), 2), gentask.ErrNotRunning)
		require.ErrorIs(r, c.SetRate(r.Context(), gentask.Rate{}), gentask.ErrNotRunning)
	})
}

// TestAdaptive: a service that does ten jobs at a time in 100 ms, and more of them only more
// slowly, is found out. When it is down for a while the jobs go down to the fewest. Concurrency is
// the most.
func TestAdaptive(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var running atomic.Int64
		var down atomic.Bool
		r.Publish(10_000)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			n := running.Add(1)
			defer running.Add(-1)
			if down.Load() {
				_ = rig.Pause(ctx, 100*time.Millisecond)
				return errDown
			}
			return rig.Pause(ctx, time.Duration(max(n, 10))*10*time.Millisecond)
		}), gentask.Config{Concurrency: 100, Retry: gentask.Retry{MaxAttempts: -1}, Policy: gentask.Policy{Adaptive: gentask.Adaptive{Min: 2}}})
		r.Rest()
		require.Equal(r, 2, c.Health().Concurrency)
		time.Sleep(30 * time.Second)
		for range 20 {
			time.Sleep(time.Second)
			require.InDelta(r, 12, c.Health().Concurrency, 7)
		}
		down.Store(true)
		time.Sleep(10 * time.Second)
		require.Equal(r, 2, c.Health().Concurrency)
		down.Store(false)
		time.Sleep(20 * time.Second)
		require.InDelta(r, 12, c.Health().Concurrency, 7)
		require.NoError(r, c.SetConcurrency(r.Context(), 3))
		time.Sleep(20 * time.Second)
		require.InDelta(r, 3, c.Health().Concurrency, 1)
		require.NoError(r, c.SetConcurrency(r.Context(), 100))
		r.Limit = time.Hour
		r.Finish()
	})
}
