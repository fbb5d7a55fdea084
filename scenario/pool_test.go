package scenario_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// shared starts a consumer on a queue of its own, with n jobs of one second, that shares a pool.
// all counts what runs in the pool.
func shared(r *rig.Rig, pool *gentask.Pool, all *atomic.Int64, weight, n int) (*gentask.Consumer, *rig.Runs) {
	r.Helper()
	q, runs := memory.New(memory.Config{}), rig.NewRuns()
	r.Cleanup(q.Close)
	for i := range n {
		require.NoError(r, q.Publish(r.Context(), queue.Message{ID: fmt.Sprint(i)}))
	}
	run := rig.Track(runs, func(ctx context.Context, _ []byte) (struct{}, error) {
		if n := all.Add(1); int(n) > pool.Size() {
			r.Errorf("%d jobs run in a pool of %d", n, pool.Size())
		}
		defer all.Add(-1)
		return struct{}{}, rig.Pause(ctx, time.Second)
	})
	c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, body []byte) error {
		_, err := run(ctx, body)
		return err
	}), gentask.Config{
		System: r.System, Concurrency: 12, Prefetch: 40, Policy: gentask.Policy{Pool: gentask.PoolShare{Slots: pool, Weight: weight}},
	})
	require.NoError(r, err)
	require.NoError(r, c.Start())
	return c, runs
}

// TestPool: three consumers share twelve places by their weights; what one doesn't need the others
// have, and each way to end gives its places back.
func TestPool(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes, r.Allow.GaveUp = true, true
		var all atomic.Int64
		pool := gentask.NewPool(12)
		first, a := shared(r, pool, &all, 1, 1000)
		time.Sleep(3500 * time.Millisecond)
		require.Equal(r, 12, a.Now(), "alone it has all of them")
		second, b := shared(r, pool, &all, 0, 1000)
		third, c := shared(r, pool, &all, 4, 1000)
		split := func(want ...int) {
			r.Helper()
			for range 20 {
				time.Sleep(time.Second)
				r.Rest()
				require.Equal(r, want, []int{a.Now(), b.Now(), c.Now()})
				require.Equal(r, 12, pool.InUse())
			}
		}
		time.Sleep(5 * time.Second)
		split(2, 2, 8)
		require.NoError(r, second.Pause(r.Context()))
		time.Sleep(5 * time.Second)
		split(3, 0, 9) // of 12, by 1 to 4, without an interruption: 2.4 and 9.6
		require.NoError(r, second.Resume(r.Context()))
		time.Sleep(5 * time.Second)
		split(2, 2, 8)

		r.Kill("ledger") // of one of them
		time.Sleep(10 * time.Second)
		split(2, 2, 8)
		r.Stop(third)
		time.Sleep(5 * time.Second)
		split(6, 6, 0)
		r.Stop(second)
		time.Sleep(5 * time.Second)
		split(12, 0, 0)
		r.Stop(first)
		require.Zero(r, pool.InUse())
	})
}

// TestPool_Idle: a consumer that is held back by something else keeps no place.
func TestPool_Idle(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var all atomic.Int64
		pool := gentask.NewPool(2)
		other, a := shared(r, pool, &all, 1, 100)
		r.Publish(10)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }),
			gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: 0.1}, Pool: gentask.PoolShare{Slots: pool}}})
		time.Sleep(30*time.Second + 500*time.Millisecond)
		require.Equal(r, 2, a.Now()+r.Runs.Now())
		require.InDelta(r, 4, r.Runs.Total(), 1, "one in 10 s, from when it had its first place")
		time.Sleep(time.Minute)
		require.Zero(r, a.Now())
		require.LessOrEqual(r, pool.InUse(), 1)
		r.Limit = time.Hour
		r.Finish()
		require.Zero(r, pool.InUse())
		r.Stop(c)
		r.Stop(other)
	})
}

// TestPool_BadShare: New refuses it, by field.
func TestPool_BadShare(t *testing.T) {
	behavior := gentask.Handle(func(context.Context, string) error { return nil })
	_, err := gentask.New(memory.New(memory.Config{}), behavior, gentask.Config{
		Policy: gentask.Policy{Pool: gentask.PoolShare{Slots: gentask.NewPool(0)}},
	})
	require.ErrorIs(t, err, gentask.ErrConfig)
	require.ErrorContains(t, err, "Policy.Pool.Slots is of 0 places")
}
