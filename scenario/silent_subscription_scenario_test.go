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

// TestScenario36_SilentSubscription: the broker forgets a subscription, and messages wait. Within 5
// s the consumer has noticed and opened the next session; health and events say so.
func TestScenario36_SilentSubscription(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Publish(10)
		r.Finish()
		for range 3 {
			time.Sleep(10 * time.Minute)
			require.Equal(r, 1, r.Memory.Stall())
			r.Publish(10)
			stalled := time.Now()
			r.Eventually("it is noticed", func() bool { return c.Health().State != gentask.Consuming })
			require.ErrorIs(r, c.Health().Error, gentask.ErrSilent)
			r.Finish()
			require.Less(r, time.Since(stalled), 5*time.Second)
		}
		healed := r.Events(gentask.EventHealed)
		require.Len(r, healed, 3)
		require.ErrorIs(r, healed[0].Reason, gentask.ErrSilent)
		require.Len(r, r.Events(gentask.EventSessionLost), 3)
	})
}

// TestScenario36_RenewalKeepsJobs: the broker forgets a subscription while jobs run. The intake is
// renewed within 5 s, and the jobs go on: the session is not given up.
func TestScenario36_RenewalKeepsJobs(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) }),
			gentask.Config{Concurrency: 4, Prefetch: 4, Timeout: -1})
		r.Publish(2)
		r.Eventually("both run", func() bool { return c.Health().Running == 2 })
		require.Equal(r, 1, r.Memory.StallIntake())
		r.Publish(2)
		stalled := time.Now()
		r.Eventually("all run", func() bool { return c.Health().Running == 4 })
		require.Less(r, time.Since(stalled), 5*time.Second)
		r.Limit = time.Hour
		r.Finish()
		healed := r.Events(gentask.EventHealed)
		require.Len(r, healed, 1)
		require.ErrorIs(r, healed[0].Reason, gentask.ErrSilent)
		require.Empty(r, r.Events(gentask.EventSessionLost))
		require.Len(r, r.Events(gentask.EventStarted), 4, "no job ran twice")
	})
}

// TestScenario36_StandbyIsNotSilent: a session that may not get anything is left alone for as long
// as that lasts. Health has the reason, and is healthy. When the reason is gone, jobs run at once.
func TestScenario36_StandbyIsNotSilent(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Publish(10)
		r.Finish()
		const reason = "another consumer is the single active one"
		r.Memory.SetFaults(memory.Faults{Standby: reason})
		r.Publish(10)
		r.Eventually("it is shown", func() bool { return c.Health().Standby == reason })
		time.Sleep(time.Hour)
		require.Equal(r, reason, c.Health().Standby)
		require.Equal(r, gentask.Consuming, c.Health().State)
		require.True(r, c.Health().Healthy())
		r.Memory.SetFaults(memory.Faults{})
		r.Finish()
		r.Eventually("it is gone", func() bool { return c.Health().Standby == "" })
		require.Empty(r, r.Events(gentask.EventHealed))
		require.Len(r, r.Events(gentask.EventSessionOpened), 1)
	})
}

// TestScenario36_IdleIsNotSilent: an idle queue, a slow one, a paused consumer, one with its hands
// full, and one that others leave nothing to are left in peace.
func TestScenario36_IdleIsNotSilent(t *testing.T) {
	for _, tc := range []struct {
		name string
		run  func(r *rig.Rig)
	}{
		{"idle", func(r *rig.Rig) {
			r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
			time.Sleep(time.Hour)
		}},
		{"slow", func(r *rig.Rig) {
			r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
			for range 500 {
				r.Publish(1)
				time.Sleep(2300 * time.Millisecond)
			}
			r.Finish()
		}},
		{"paused", func(r *rig.Rig) {
			c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
			require.NoError(r, c.Pause(r.Context()))
			r.Publish(10)
			time.Sleep(time.Hour)
			require.NoError(r, c.Resume(r.Context()))
			r.Finish()
		}},
		{"hands full", func(r *rig.Rig) {
			busy := r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) })
			r.Start(busy, gentask.Config{Concurrency: 2, Timeout: -1})
			r.Publish(10)
			r.Limit = time.Hour
			r.Finish()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				tc.run(r)
				require.Empty(r, r.Events(gentask.EventHealed))
				require.Len(r, r.Events(gentask.EventSessionOpened), 1)
			})
		})
	}
}
