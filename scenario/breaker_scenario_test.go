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

// TestScenario28_Breaker: everything fails for ten minutes. The intake pauses after the first
// failures, single jobs probe, further and further apart, and when the outage is over the consumer
// is back by itself within the longest wait, with nothing lost and next to no attempts burnt.
func TestScenario28_Breaker(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 2, SlowSettle: time.Millisecond}}).Run(t, func(r *rig.Rig) {
		const jobs, outage, longest = 1000, 10 * time.Minute, 30 * time.Second
		began := time.Now()
		r.Publish(jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if time.Since(began) < outage {
				return errDown
			}
			return rig.Pause(ctx, 10*time.Millisecond)
		}), gentask.Config{Concurrency: 10, Prefetch: 20, Policy: gentask.Policy{Breaker: gentask.Breaker{
			FailureRate: 0.5, Wait: gentask.Backoff{Base: time.Second, Max: longest},
		}}})

		time.Sleep(100 * time.Millisecond)
		r.Rest()
		h := c.Health()
		require.Equal(r, gentask.BreakerOpen, h.State)
		require.True(r, h.Healthy(), "there is nothing that a restart would mend")
		require.Len(r, h.Breakers, 1)
		require.ErrorIs(r, h.Breakers[0].Cause, errDown)
		require.WithinRange(r, h.Breakers[0].NextProbe, time.Now(), time.Now().Add(time.Second))
		require.Zero(r, r.Memory.Stats().Held, "all is at the broker")

		time.Sleep(outage - 100*time.Millisecond)
		burnt := r.Runs.Total()
		r.Log("runs that failed:", burnt)
		require.Less(r, burnt, 60, "the first ones, and one for each probe")
		r.Finish()
		require.Less(r, time.Since(began)-outage, longest+10*time.Second)
		require.Equal(r, gentask.Consuming, c.Health().State)
		require.Empty(r, c.Health().Breakers)
		require.Equal(r, jobs, r.Memory.Stats().Acked)
		require.Equal(r, 1, r.Memory.Stats().Opened, "the session lives on")
		require.Equal(r, r.Runs.Total()-jobs, burnt)
		turnsOf(r)
	})
}

// turnsOf checks that the breaker's events tell a story, and that each wait is at most twice the
// one before.
func turnsOf(r *rig.Rig) {
	r.Helper()
	events := r.Events(gentask.EventBreakerOpened, gentask.EventBreakerProbing, gentask.EventBreakerClosed)
	require.NotEmpty(r, events)
	for i, ev := range events {
		switch want := []gentask.EventKind{gentask.EventBreakerOpened, gentask.EventBreakerProbing}[i%2]; {
		case i == len(events)-1:
			require.Equal(r, gentask.EventBreakerClosed, ev.Kind)
		default:
			require.Equal(r, want, ev.Kind)
		}
		if ev.Kind == gentask.EventBreakerOpened {
			require.ErrorIs(r, ev.Reason, errDown)
			require.Equal(r, gentask.EventBreakerProbing, events[i+1].Kind)
			require.Equal(r, ev.After, events[i+1].Time.Sub(ev.Time), "the probe is when it was announced")
		}
	}
}

// TestScenario28_WhatCounts: a breaker that would open at the first few failures stays closed for
// failures that prove nothing about the services that jobs depend on, and opens for others.
func TestScenario28_WhatCounts(t *testing.T) {
	const jobs = 20
	for name, c := range map[string]struct {
		run   func(ctx context.Context) error
		opens bool
	}{
		"Error":      {func(context.Context) error { return errDown }, true},
		"Panic":      {func(context.Context) error { panic(errDown) }, true},
		"Timeout":    {func(ctx context.Context) error { return rig.Pause(ctx, time.Hour) }, true},
		"DeadLetter": {func(context.Context) error { return gentask.DeadLetter(errDown) }, false},
		"Snooze":     {func(context.Context) error { return gentask.Snooze(time.Hour) }, false},
		"Ack":        {func(context.Context) error { return gentask.Ack() }, false},
		"Requeue":    {func(context.Context) error { return gentask.Requeue(time.Hour) }, true},
		"Extend":     {func(context.Context) error { return gentask.Extend(time.Hour) }, true},
		"Excused":    {func(context.Context) error { return errOwn }, false},
		"Cancelled": {func(ctx context.Context) error {
			job, _ := gentask.FromContext(ctx)
			job.Cancel()
			return rig.Pause(ctx, time.Hour)
		}, false},
		"Wrapped": {func(context.Context) error { return fmt.Errorf("call: %w", errDown) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(jobs)
				r.Start(r.Handle(func(ctx context.Context, _ string) error { return c.run(ctx) }),
					gentask.Config{Concurrency: 2, Timeout: time.Second, Retry: gentask.Retry{MaxAttempts: 1}, Policy: gentask.Policy{
						Breaker: gentask.Breaker{FailureRate: 0.5, MinRuns: 3, Wait: gentask.Backoff{Base: time.Hour, Max: time.Hour}},
						Failure: func(err error) bool { return err != errOwn }, //nolint:errorlint // it is that one
					}})
				time.Sleep(10 * time.Minute)
				if c.opens {
					require.Len(r, r.Events(gentask.EventBreakerOpened), 1)
					require.Less(r, r.Runs.Total(), 6)
					return
				}
				require.Empty(r, r.Events(gentask.EventBreakerOpened))
				require.Equal(r, jobs, r.Runs.Total())
			})
		})
	}
}

// TestScenario28_Undecodable: payloads that can't be decoded say nothing either.
func TestScenario28_Undecodable(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for i := range 20 {
			r.Send(queue.Message{ID: fmt.Sprint(i), Body: []byte("no JSON")})
		}
		r.Start(gentask.Handle(func(context.Context, struct{}) error { return nil }), gentask.Config{
			Policy: gentask.Policy{Breaker: gentask.Breaker{FailureRate: 0.1, MinRuns: 1}},
		})
		r.Finish()
		require.Empty(r, r.Events(gentask.EventBreakerOpened))
	})
}

// TestScenario28_LostProbe: a probe that is lost with its session, or with the ledger, proves
// nothing, and the next job is the probe. An open breaker outlives the ledger.
func TestScenario28_LostProbe(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		var up, slow atomic.Bool
		r.Publish(50)
		r.Limit = time.Hour
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if slow.Load() {
				return rig.Pause(ctx, time.Hour)
			}
			if up.Load() {
				return nil
			}
			return errDown
		}), gentask.Config{Timeout: -1, Policy: gentask.Policy{Breaker: gentask.Breaker{FailureRate: 0.5, MinRuns: 5}}})
		r.Eventually("it is open", func() bool { return c.Health().State == gentask.BreakerOpen })
		r.Kill("ledger")
		r.Eventually("it is open still", func() bool { return c.Health().State == gentask.BreakerOpen })

		slow.Store(true)
		r.Eventually("it probes", func() bool { return c.Health().State == gentask.Probing && r.Runs.Now() == 1 })
		r.Break()
		r.Eventually("it probes again", func() bool { return c.Health().State == gentask.Probing && r.Runs.Now() == 1 })
		time.Sleep(time.Minute)
		require.Equal(r, 1, r.Runs.Now())
		r.Kill("ledger")
		r.Eventually("and again", func() bool { return c.Health().State == gentask.Probing && r.Runs.Now() == 1 })
		slow.Store(false)
		up.Store(true)
		r.Break()
		r.Finish()
		require.Equal(r, gentask.Consuming, c.Health().State)
	})
}

// TestScenario28_AndPause: pause and breaker don't get into each other's way.
func TestScenario28_AndPause(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 1}}).Run(t, func(r *rig.Rig) {
		var up atomic.Bool
		r.Publish(50)
		c := r.Start(r.Handle(func(context.Context, string) error {
			if up.Load() {
				return nil
			}
			return errDown
		}), gentask.Config{Policy: gentask.Policy{Breaker: gentask.Breaker{FailureRate: 0.5}}})
		r.Eventually("it is open", func() bool { return c.Health().State == gentask.BreakerOpen })
		require.NoError(r, c.Pause(r.Context()))
		failed := r.Runs.Total()
		time.Sleep(10 * time.Minute)
		require.Equal(r, gentask.Paused, c.Health().State)
		require.Equal(r, failed, r.Runs.Total(), "a paused consumer doesn't probe")
		up.Store(true)
		require.NoError(r, c.Resume(r.Context()))
		r.Limit = 10 * time.Minute
		r.Finish()
	})
}
