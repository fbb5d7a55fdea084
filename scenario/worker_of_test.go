package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestWorker_ByID: it is the one that Jobs shows, and there is none before a job is received, while
// it waits for its slot, and after its end.
func TestWorker_ByID(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		b := r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) })
		c := r.New(b, gentask.Config{Concurrency: 1, Prefetch: 2})
		_, err := c.Worker(r.Context(), "1")
		require.ErrorIs(r, err, gentask.ErrNotRunning)
		require.NoError(r, c.Start())
		r.Rest()
		_, err = c.Worker(r.Context(), "1")
		require.ErrorIs(r, err, gentask.ErrUnknownJob)
		r.Publish(2)
		r.Rest()
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		pid, err := c.Worker(r.Context(), "1")
		require.NoError(r, err)
		require.Equal(r, jobs[0].Worker, pid)
		_, err = c.Worker(r.Context(), "2")
		require.ErrorIs(r, err, gentask.ErrNoWorker)
		time.Sleep(15 * time.Second)
		_, err = c.Worker(r.Context(), "1")
		require.ErrorIs(r, err, gentask.ErrUnknownJob)
		next, err := c.Worker(r.Context(), "2")
		require.NoError(r, err)
		require.NotEqual(r, pid, next)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err = c.Worker(ctx, "2")
		require.ErrorIs(r, err, context.Canceled)
		r.Finish()
	})
}

// TestWorker_Shared: of messages with one ID, a job that waits does not hide the worker of one that
// runs.
func TestWorker_Shared(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Overlaps = true
		c := r.Start(gentask.Handle(func(ctx context.Context, n int) error { return rig.Pause(ctx, time.Duration(n)*time.Second) }),
			gentask.Config{Concurrency: 1, Prefetch: 3})
		for _, body := range []string{"2", "3"} {
			r.Send(queue.Message{ID: "same", Body: []byte(body)})
		}
		for range 2 {
			time.Sleep(time.Second)
			pid, err := c.Worker(r.Context(), "same")
			require.NoError(r, err)
			require.True(r, actor.Alive(r.System, pid))
			time.Sleep(1500 * time.Millisecond)
		}
		r.Finish()
	})
}
