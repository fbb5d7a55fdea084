package promises

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
)

// Pause is scenario 33: a pause takes effect at once and is seen, and so does the end of it.
func Pause(r *rig.Rig) {
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
}
