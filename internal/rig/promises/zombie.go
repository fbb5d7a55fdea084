package promises

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
)

// SupervisorKilled is scenario 13: with the prefetch full and every slot taken, the worker
// supervisor is killed. Within 1 s the broker sends more than the prefetch allowed.
func SupervisorKilled(r *rig.Rig) {
	r.Allow.Crashes = true
	const concurrency, prefetch, jobs = 10, 20, 60
	r.Publish(jobs)
	c := r.Start(r.Actors(func(ctx context.Context, _ string) error {
		if r.Runs.Total() > concurrency {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}), gentask.Config{
		Concurrency: concurrency, Prefetch: prefetch, Timeout: -1, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 50 * time.Millisecond}},
	})
	r.Eventually("the prefetch is full", func() bool {
		return c.Health().Held == prefetch && r.Runs.Now() == concurrency && len(r.Events(gentask.EventReceived)) == prefetch
	})
	supervisor := r.Find("workers")
	killed := time.Now()
	actor.Kill(r.System, supervisor)
	r.Eventually("the broker sends more", func() bool { return len(r.Events(gentask.EventReceived)) > prefetch })
	took := r.Events(gentask.EventReceived)[prefetch].Time.Sub(killed)
	r.Logf("the next delivery came %v after the kill", took)
	require.Less(r, took, time.Second)
	r.Finish()
	require.Equal(r, jobs+concurrency, r.Runs.Total(), "each of the ten ran again, the others once")
	require.Len(r, r.Events(gentask.EventWorkersLost), 1)
	require.Empty(r, r.Events(gentask.EventSessionLost), "the session is none of the workers' business")
}
