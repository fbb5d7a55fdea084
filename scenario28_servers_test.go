package gentask_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario28_OnServers: while everything fails the messages stay at the broker and keep their attempts; when the outage is over the consumer is
// back by itself, in the session that it had.
func TestScenario28_OnServers(t *testing.T) { onServers(t, realBreaker) }

func realBreaker(r *rig.Rig) {
	const jobs, probes = 300, 3
	var up atomic.Bool
	r.Publish(jobs)
	c := r.Start(r.Handle(func(context.Context, string) error {
		if up.Load() {
			return nil
		}
		return errDown
	}), gentask.Config{Concurrency: 10, Prefetch: 20, Policy: gentask.Policy{Breaker: gentask.Breaker{
		FailureRate: 0.5, MinRuns: 5, Wait: gentask.Backoff{Base: 200 * time.Millisecond, Max: 500 * time.Millisecond},
	}}})
	r.Eventually("it is open, and holds nothing", func() bool {
		return c.Health().State == gentask.BreakerOpen && c.Health().Held == 0
	})
	r.Eventually("it has probed", func() bool { return len(r.Events(gentask.EventBreakerProbing)) >= probes })
	failed := r.Runs.Total()
	require.LessOrEqual(r, failed, 20+2*probes+2, "the first ones, and one for each probe")
	up.Store(true)
	r.Finish()

	require.Equal(r, gentask.Consuming, c.Health().State)
	require.Empty(r, r.Events(gentask.EventSessionLost))
	require.Len(r, r.Events(gentask.EventBreakerClosed), 1)
	later := 0
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.Disposition == queue.Ack && ev.Attempt > 1 {
			later++
		}
	}
	require.LessOrEqual(r, later, failed+2, "what was given back has spent no attempt")
	dead, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Empty(r, dead)
}

// TestScenario33_RateOnServers: the rate holds over every window, and is changed at run time.
func TestScenario33_RateOnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		const jobs, perSecond, burst = 100, 50, 5
		var s starts
		began := time.Now()
		r.Publish(jobs)
		c := r.Start(r.Handle(func(context.Context, string) error { s.note(); return nil }),
			gentask.Config{Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: perSecond, Burst: burst}}})
		r.Eventually("half of them are done", func() bool { return r.Runs.Total() >= jobs/2 })
		require.GreaterOrEqual(r, time.Since(began), 800*time.Millisecond)
		r.Finish()
		requireRate(r, s.sorted(began), perSecond, burst, 100*time.Millisecond)

		require.NoError(r, c.SetRate(r.Context(), gentask.Rate{}))
		r.Publish(jobs)
		r.Finish()
		require.Empty(r, r.Events(gentask.EventHealed))
	})
}

// TestScenario33_PauseOnServers: a pause takes effect at once and is seen: nothing is started any more, what was not started is at the broker, for
// others; and so does the end of it.
func TestScenario33_PauseOnServers(t *testing.T) {
	onServers(t, func(r *rig.Rig) {
		const jobs, running = 60, 3
		release := make(chan struct{})
		r.Publish(jobs)
		c := r.Start(r.Handle(func(context.Context, string) error {
			<-release
			return nil
		}), gentask.Config{Name: "first", Concurrency: running, Prefetch: 20, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return c.Health().Held == 20 && r.Runs.Now() == running })
		require.NoError(r, c.Pause(r.Context()))
		require.Equal(r, gentask.Paused, c.Health().State)
		r.Eventually("an event tells of it", func() bool { return len(r.Events(gentask.EventPaused)) == 1 })
		r.Eventually("the unstarted are returned", func() bool { return c.Health().Held == running })
		close(release)
		r.Eventually("what runs has finished", func() bool { return c.Health().Held == 0 })
		require.Equal(r, running, r.Runs.Total(), "and nothing else has begun")

		require.NoError(r, c.Resume(r.Context()))
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Finish()
		require.Equal(r, jobs, r.Runs.Total())
		for _, ev := range r.Events(gentask.EventDone) {
			require.Equal(r, 1, ev.Attempt, "a pause costs no attempt: %s", ev.ID)
		}
		require.Empty(r, r.Events(gentask.EventSessionLost))
	})
}

// TestScenario33_Pause: the same on the memory queue, to the millisecond.
func TestScenario33_Pause(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, running = 60, 3
		r.Publish(jobs)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return pause(ctx, time.Second) }),
			gentask.Config{Concurrency: running, Prefetch: 20})
		time.Sleep(500 * time.Millisecond)
		require.NoError(r, c.Pause(r.Context()))
		r.Rest()
		require.Equal(r, gentask.Paused, c.Health().State)
		require.Equal(r, running, r.Memory.Stats().Held)
		time.Sleep(time.Hour)
		require.Equal(r, running, r.Runs.Total())
		require.NoError(r, c.Resume(r.Context()))
		r.Rest()
		require.Equal(r, running, r.Runs.Now())
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Finish()
	})
}
