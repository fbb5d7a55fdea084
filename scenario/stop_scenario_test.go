package scenario_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// TestScenario17_HundredConsumersStopTogether: inside one deadline, each with jobs that run.
func TestScenario17_HundredConsumersStopTogether(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const consumers, work = 100, 5 * time.Second
		r.Publish(3 * consumers)
		for i := range consumers {
			r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, work) }),
				gentask.Config{Name: fmt.Sprintf("node%d", i), Concurrency: 2, Prefetch: 3})
		}
		r.Eventually("all run", func() bool { return r.Runs.Now() == 2*consumers })
		ctx, cancel := context.WithTimeout(r.Context(), 3*work)
		defer cancel()
		began := time.Now()
		var group sync.WaitGroup
		for _, c := range r.Nodes() {
			group.Go(func() {
				report, err := c.Stop(ctx)
				assert.NoError(r, err)
				assert.Equal(r, gentask.DrainReport{Finished: 2, Returned: 1}, report)
			})
		}
		group.Wait()
		require.LessOrEqual(r, time.Since(began), work)
		require.Equal(r, 2*consumers, r.Memory.Stats().Acked)
		require.Equal(r, consumers, r.Memory.Stats().Ready)
	})
}

// TestScenario17_StopInsideAJob: it starts the drain and doesn't wait for itself, with each of the
// job's contexts.
func TestScenario17_StopInsideAJob(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var c *gentask.Consumer
		r.Publish(2)
		c = r.New(r.Handle(func(ctx context.Context, _ string) error {
			inner, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			report, err := c.Stop(inner)
			require.Equal(r, gentask.DrainReport{}, report)
			return err
		}), gentask.Config{Concurrency: 1})
		require.NoError(r, c.Start())
		select {
		case <-c.Done():
		case <-time.After(time.Second):
			r.Fatal("not stopped")
		}
		require.NoError(r, c.Err())
		require.Equal(r, 1, r.Memory.Stats().Acked)
		require.Equal(r, 1, r.Memory.Stats().Ready)
	})
}

// TestScenario17_StopOnAGoroutineOfAJob: Stop goes by the job's context, and does not wait for the
// job, which waits for it.
func TestScenario17_StopOnAGoroutineOfAJob(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var c *gentask.Consumer
		r.Publish(1)
		c = r.New(r.Handle(func(ctx context.Context, _ string) error {
			stopped := make(chan error, 1)
			go func() {
				_, err := c.Stop(ctx)
				stopped <- err
			}()
			return <-stopped
		}), gentask.Config{})
		begin := time.Now()
		require.NoError(r, c.Start())
		<-c.Done()
		require.Less(r, time.Since(begin), time.Second)
		require.Equal(r, 1, r.Memory.Stats().Acked)
	})
}

// TestScenario17_StopHasNoDeadline: running jobs may take Config.DrainTimeout, also without a
// grace.
func TestScenario17_StopHasNoDeadline(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 20*time.Second) }),
			gentask.Config{Grace: -1})
		r.Rest()
		report, err := c.Stop(context.Background())
		require.NoError(r, err)
		require.Equal(r, gentask.DrainReport{Finished: 1}, report)
	})
}

// TestScenario17_StopInsideAnotherConsumersJob: it waits, as anywhere else.
func TestScenario17_StopInsideAnotherConsumersJob(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		other := gentask.Config{Name: "other", Concurrency: 1}
		idle := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }), other)
		r.Publish(1)
		r.Eventually("the other works", func() bool { return r.Runs.Now() == 1 })
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			report, err := idle.Stop(ctx)
			require.Equal(r, 1, report.Finished)
			return err
		}), gentask.Config{Concurrency: 1})
		r.Finish()
		require.Equal(r, gentask.Stopped, idle.Health().State)
	})
}

// TestScenario17_StopTwice: is one stop, at the same time or one after the other, and both have the
// report.
func TestScenario17_StopTwice(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }), gentask.Config{})
		r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
		want := gentask.DrainReport{Finished: 1}
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				report, err := c.Stop(r.Context())
				assert.NoError(r, err)
				assert.Equal(r, want, report)
			})
		}
		group.Wait()
		require.Equal(r, want, r.Stop(c))
		require.Len(r, r.Events(gentask.EventDraining), 1)
		require.Len(r, r.Events(gentask.EventDrained), 1)
	})
}

// TestScenario17_StopBeforeStart: does nothing, and neither does it spoil the start.
func TestScenario17_StopBeforeStart(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		require.Equal(r, gentask.DrainReport{}, r.Stop(c))
		require.NoError(r, c.Start())
		r.Finish()
	})
}

// TestScenario17_StopAtOnceAndStartAgain: a stop that comes while the consumer is starting is a
// stop, however early; and after it there is another life.
func TestScenario17_StopAtOnceAndStartAgain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(100)
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		for range 100 {
			require.NoError(r, c.Start())
			require.ErrorIs(r, c.Start(), gentask.ErrRunning)
			r.Stop(c)
			require.NoError(r, c.Err())
			require.Equal(r, gentask.Stopped, c.Health().State)
		}
		require.NoError(r, c.Start())
		r.Finish()
	})
}

// TestScenario17_StopsContextEnds: the caller is let go, and the drain goes on.
func TestScenario17_StopsContextEnds(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(context.Context, string) error {
			time.Sleep(10 * time.Second)
			return nil
		}), gentask.Config{Grace: time.Minute})
		r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := c.Stop(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded)
		require.Equal(r, gentask.Draining, c.Health().State)
		<-c.Done()
		require.NoError(r, c.Err())
	})
}
