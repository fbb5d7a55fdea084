package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// TestHealth_EveryState: the states of Health on the way from before the start until after the end.
func TestHealth_EveryState(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{SlowOpen: time.Second}}).Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) }), gentask.Config{Timeout: -1})
		is := func(state gentask.State, healthy bool) {
			t.Helper()
			r.Rest()
			require.Equal(r, state, c.Health().State)
			require.Equal(r, healthy, c.Health().Healthy())
		}
		is(gentask.Stopped, false)
		require.NoError(r, c.Start())
		is(gentask.Connecting, false)
		time.Sleep(time.Second)
		is(gentask.Consuming, true)
		since := c.Health().Since
		time.Sleep(time.Hour)
		require.Equal(r, since, c.Health().Since)
		require.NoError(r, c.Pause(r.Context()))
		is(gentask.Paused, true)
		require.NoError(r, c.Resume(r.Context()))
		is(gentask.Consuming, true)

		r.Break()
		is(gentask.Connecting, false)
		require.ErrorIs(r, c.Health().Error, gentask.ErrSessionLost)
		r.Eventually("it is back", func() bool { return c.Health().State == gentask.Consuming })
		is(gentask.Consuming, true)
		require.NoError(r, c.Health().Error)

		r.Publish(2)
		r.Eventually("they run", func() bool { return c.Health().Running == 2 && c.Health().Held == 2 })
		go func() { _, _ = c.Stop(context.WithoutCancel(r.Context())) }()
		is(gentask.Draining, false)
		<-c.Done()
		is(gentask.Stopped, false)
		require.NoError(r, c.Health().Error)
	})
}

// TestHealth_FailedSettlement: shows until the broker has taken it.
func TestHealth_FailedSettlement(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{FailSettle: memory.Times(2)}}).Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Eventually("it failed", func() bool { return len(r.Events(gentask.EventSettleFailed)) == 1 })
		require.ErrorIs(r, c.Health().Error, memory.ErrRefused)
		require.Equal(r, gentask.Consuming, c.Health().State)
		require.False(r, c.Health().Healthy())
		r.Finish()
		time.Sleep(time.Second)
		require.True(r, c.Health().Healthy())
		require.Len(r, r.Events(gentask.EventSettleFailed), 2)
		require.Equal(r, 1, r.Runs.Total())
	})
}

// TestHealth_BrokerGone: it reports why there is no session for as long as there is none.
func TestHealth_BrokerGone(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(-1)}}).Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		time.Sleep(time.Hour)
		require.Equal(r, gentask.Connecting, c.Health().State)
		require.ErrorIs(r, c.Health().Error, memory.ErrRefused)
		r.Memory.SetFaults(memory.Faults{})
		r.Publish(1)
		r.Finish()
		require.True(r, c.Health().Healthy())
		checkReconnects(r)
	})
}

// checkReconnects checks that the waits between the attempts to open a session are spaced from 100
// ms to 30 s, with jitter.
func checkReconnects(r *rig.Rig) {
	r.Helper()
	failed := r.Events(gentask.EventOpenFailed)
	least, most, sum := 50*time.Millisecond, 100*time.Millisecond, map[time.Duration]bool{}
	for i := 1; i < len(failed); i++ {
		wait := failed[i].Time.Sub(failed[i-1].Time)
		require.GreaterOrEqual(r, wait, least)
		require.LessOrEqual(r, wait, most)
		least, most = min(2*least, 15*time.Second), min(2*most, 30*time.Second)
		sum[wait] = true
	}
	require.Greater(r, len(sum), 100, "waits differ")
}
