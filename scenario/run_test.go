package scenario_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/supervision"
)

// TestRun_DrainedIsNil: when its context ends, Run drains, and returns nil however the running jobs
// ended.
func TestRun_DrainedIsNil(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		require.NoError(r, gentask.Run(ctx, r.Source, r.Handle(func(ctx context.Context, id string) error {
			if id == "1" {
				return rig.Pause(ctx, 70*time.Second)
			}
			return rig.Pause(ctx, time.Hour)
		}), r.Config(gentask.Config{Timeout: -1})))
		require.InDelta(r, 90*time.Second, time.Since(began), float64(time.Second), "a minute, and 30 s to drain")
		require.Equal(r, 1, r.Memory.Stats().Acked)
		require.Equal(r, 1, r.Memory.Stats().Released)
	})
}

// TestRun_ContextEndedBefore: nothing is run.
func TestRun_ContextEndedBefore(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		require.NoError(r, gentask.Run(ctx, r.Source, r.Handle(func(context.Context, string) error { return nil }), r.Config(gentask.Config{})))
	})
}

// TestRun_SourceRefusesConfig: a mistake that the broker sees, before there was ever a session,
// ends Run with the broker's error. Afterwards it is trouble like any other.
func TestRun_SourceRefusesConfig(t *testing.T) {
	refusal := fmt.Errorf("%w: queue type is classic; want quorum", queue.ErrConfig)
	rig.MemoryWith(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(1), RefuseError: refusal}}).Run(t, func(r *rig.Rig) {
		r.Allow.GaveUp = true
		err := gentask.Run(r.Context(), r.Source, r.Handle(func(context.Context, string) error { return nil }), r.Config(gentask.Config{}))
		require.ErrorIs(r, err, refusal)
		gaveUp := r.Events(gentask.EventGaveUp)
		require.Len(r, gaveUp, 1)
		require.ErrorIs(r, gaveUp[0].Reason, refusal)

		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Rest()
		r.Memory.SetFaults(memory.Faults{RefuseOpen: memory.Times(5), RefuseError: refusal})
		r.Break()
		r.Publish(1)
		r.Finish()
		require.NoError(r, c.Err())
	})
}

// TestRun_SourceIsDown: any other refusal is waited for.
func TestRun_SourceIsDown(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(20)}}).Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Limit = time.Hour
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Finish()
	})
}

// TestRun_OpenHangs: OpenTimeout bounds it.
func TestRun_OpenHangs(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{SlowOpen: time.Hour}}).Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{OpenTimeout: time.Second})
		time.Sleep(time.Second + time.Millisecond)
		r.Rest()
		require.ErrorIs(r, c.Health().Error, context.DeadlineExceeded)
		r.Memory.SetFaults(memory.Faults{})
		r.Publish(1)
		r.Finish()
	})
}

// TestRun_LedgerOverIntensity: a ledger that crashes again and again is given up, loudly, with
// nothing left behind.
func TestRun_LedgerOverIntensity(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(3)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Hour) }), gentask.Config{Timeout: -1})
		crashes := 0
		for ; ; crashes++ {
			r.Rest()
			select {
			case <-c.Done():
			default:
				actor.Kill(r.System, r.Find("ledger"))
				r.Rest()
				time.Sleep(time.Second)
				continue
			}
			break
		}
		require.Equal(r, 11, crashes)
		require.ErrorIs(r, c.Err(), supervision.ErrIntensity)
		require.Equal(r, gentask.Stopped, c.Health().State)
		require.ErrorIs(r, c.Health().Error, supervision.ErrIntensity)
		require.Equal(r, 3, r.Memory.Stats().Ready, "everything is back in the queue")
		gaveUp := r.Events(gentask.EventGaveUp)
		require.Len(r, gaveUp, 1)
		require.ErrorIs(r, gaveUp[0].Reason, supervision.ErrIntensity)
		r.Allow.GaveUp = true

		require.NoError(r, c.Start(), "another instance")
		r.Rest()
		require.Equal(r, gentask.Consuming, c.Health().State)
	})
}

// TestProps_InATreeOfTheUsers: the consumer lives in a supervision tree, drains when that is told
// to stop, and comes back when it is killed.
func TestProps_InATreeOfTheUsers(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes, r.Allow.GaveUp = true, true
		c := r.New(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }), gentask.Config{Concurrency: 2})
		props, err := supervision.Static(supervision.Spec{
			Intensity: supervision.Intensity{Restarts: 3},
			Children:  []supervision.ChildSpec{{ID: "consumer", Props: c.Props, Shutdown: supervision.Infinity}},
		})
		require.NoError(r, err)
		tree := actor.SpawnRoot(r.System, props, "tree")
		r.Publish(5)
		r.Eventually("two run", func() bool { return r.Runs.Now() == 2 })

		first := c.Done()
		r.Kill("consumer")
		<-first
		r.Eventually("two run again", func() bool { return r.Runs.Now() == 2 })
		require.Equal(r, gentask.Consuming, c.Health().State)
		require.NoError(r, c.Err(), "the error belonged to the instance before")
		require.Len(r, r.Events(gentask.EventGaveUp), 1)

		reason, err := actor.Shutdown(r.Context(), r.System, tree)
		require.NoError(r, err)
		require.ErrorIs(r, reason, actor.ErrShutdown)
		require.Equal(r, gentask.Stopped, c.Health().State)
		require.Equal(r, 4, r.Memory.Stats().Acked, "what ran was finished, both times")
		require.Equal(r, 1, r.Memory.Stats().Ready)
	})
}

// TestProps_NeverSpawned: such a consumer is not running, and no call waits for it.
func TestProps_NeverSpawned(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		c.Props()
		require.ErrorIs(r, c.Pause(r.Context()), gentask.ErrNotRunning)
		require.Equal(r, gentask.DrainReport{}, r.Stop(c))
	})
}

// TestProps_StopIsNormal: a consumer that is stopped by its own Stop ends normally: a transient
// child stays stopped.
func TestProps_StopIsNormal(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		props, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{
			{ID: "consumer", Props: c.Props, Restart: supervision.Transient, Shutdown: supervision.Infinity},
		}})
		require.NoError(r, err)
		tree := actor.SpawnRoot(r.System, props, "tree")
		r.Publish(1)
		r.Finish()
		r.Stop(c)
		time.Sleep(time.Minute)
		require.Equal(r, gentask.Stopped, c.Health().State)
		require.Equal(r, 1, r.Memory.Stats().Opened)
		_, err = actor.Shutdown(r.Context(), r.System, tree)
		require.NoError(r, err)
	})
}

// TestRun_OfAConsumer: its health can be asked meanwhile, a second Run is refused and harms
// nothing, and what was drained can be run again.
func TestRun_OfAConsumer(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		for range 3 {
			r.Publish(1)
			ctx, cancel := context.WithCancel(r.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			r.Finish()
			require.True(r, c.Health().Healthy())
			require.ErrorIs(r, c.Run(ctx), gentask.ErrRunning)
			require.ErrorIs(r, c.Start(), gentask.ErrRunning)
			r.Rest()
			require.Equal(r, gentask.Consuming, c.Health().State)
			cancel()
			require.NoError(r, <-ended)
			require.Equal(r, gentask.Stopped, c.Health().State)
		}
		require.Equal(r, 3, r.Runs.Total())
	})
}

// TestRun_StoppedElsewhere: Run returns when Stop has drained, and a consumer that was started
// again since is not stopped by the end of the context of the Run before.
func TestRun_StoppedElsewhere(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		ctx, cancel := context.WithCancel(r.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		r.Rest()
		r.Stop(c)
		require.NoError(r, c.Start())
		require.NoError(r, <-ended)
		cancel()
		r.Publish(1)
		r.Finish()
		require.Equal(r, gentask.Consuming, c.Health().State)
	})
}
