package promises

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// CutOff is scenario 18: the session is lost while all jobs of the prefetch are held and some run.
// The running are cancelled with that cause, the unstarted dropped, and all come again.
func CutOff(r *rig.Rig) {
	const running, prefetch = 3, 6
	var mu sync.Mutex
	causes := map[string]error{}
	r.Publish(prefetch)
	c := r.Start(r.Handle(func(ctx context.Context, id string) error {
		job, _ := gentask.FromContext(ctx)
		if job.Attempt() > 1 {
			return nil
		}
		<-ctx.Done()
		mu.Lock()
		defer mu.Unlock()
		causes[id] = context.Cause(ctx)
		require.ErrorIs(r, job.Settle(gentask.Ack()), gentask.ErrSessionLost)
		return nil // a value that comes too late
	}), gentask.Config{Concurrency: running, Prefetch: prefetch, Timeout: -1})
	r.Eventually("the prefetch is full", func() bool { return c.Health().Held == prefetch && r.Runs.Now() == running })
	r.Break()
	r.Finish()

	require.Len(r, causes, running)
	for _, cause := range causes {
		require.ErrorIs(r, cause, gentask.ErrSessionLost)
	}
	require.Len(r, r.Events(gentask.EventSessionLost), 1)
	require.Equal(r, running+prefetch, r.Runs.Total(), "the unstarted were dropped, and ran once")
	settled := map[queue.Disposition]int{}
	for _, ev := range r.Events(gentask.EventDone) {
		settled[ev.Disposition]++
		if ev.Disposition == 0 {
			require.ErrorIs(r, ev.Reason, gentask.ErrSessionLost)
			require.Equal(r, 1, ev.Attempt)
			continue
		}
		require.Greater(r, ev.Attempt, 1, "a lost session counts as an attempt")
	}
	require.Equal(r, map[queue.Disposition]int{0: prefetch, queue.Ack: prefetch}, settled)
}

// CutAgainAndAgain is scenario 18: some settlements may have been applied, and every job is done in
// the end.
func CutAgainAndAgain(r *rig.Rig) {
	const jobs, cuts = 300, 4
	r.Publish(jobs)
	done := rig.NewRuns()
	run := rig.Track(done, func(context.Context, []byte) (struct{}, error) { return struct{}{}, nil })
	behavior := r.Handle(func(ctx context.Context, _ string) error {
		if err := rig.Pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		_, err := run(ctx, nil)
		return err
	})
	config := gentask.Config{
		Concurrency: 10, Prefetch: 15, Retry: gentask.Retry{MaxAttempts: -1}, Reconnect: gentask.Backoff{Base: 10 * time.Millisecond},
	}
	c := r.Start(behavior, config)
	for i := range cuts {
		r.Eventually("some more are done", func() bool {
			return len(r.Events(gentask.EventSessionLost)) == i && c.Health().State == gentask.Consuming && done.Total() > i*jobs/cuts
		})
		r.Break()
	}
	r.Eventually("the last cut is noticed", func() bool { return len(r.Events(gentask.EventSessionLost)) == cuts })
	for {
		r.Eventually("the queue is empty", func() bool { return c.Health().State == gentask.Consuming && c.Health().Held == 0 && waiting(r) == 0 })
		r.Stop(c)
		if waiting(r) == 0 {
			break
		}
		c = r.Start(behavior, config) // for what was on its way
	}
	for id := range jobs {
		require.Positive(r, done.Of(strconv.Itoa(id+1)), "job %d", id+1)
	}
}

// waiting returns how many messages are ready to be delivered. With JetStream, what is held is
// among them.
func waiting(r *rig.Rig) int {
	if r.Left != nil {
		n, err := r.Left(r.Context())
		require.NoError(r, err)
		return n
	}
	stats, err := r.Publisher.(queue.Inspector).Inspect(r.Context())
	require.NoError(r, err)
	return stats.Ready
}

// FinishLost is scenario 18: by option what runs may finish, and the message, which has come
// again, waits for that.
func FinishLost(r *rig.Rig) {
	const jobs = 2
	release := make(chan struct{})
	r.Publish(jobs)
	c := r.Start(r.Handle(func(context.Context, string) error {
		<-release
		return nil
	}), gentask.Config{FinishLost: true, Timeout: -1})
	r.Eventually("they run", func() bool { return r.Runs.Now() == jobs })
	r.Break()
	r.Eventually("they have come again", func() bool { return len(r.Events(gentask.EventReceived)) == 2*jobs })
	require.Equal(r, jobs, r.Runs.Total(), "none ran twice at the same time")
	require.Equal(r, jobs, c.Health().Held)
	close(release)
	r.Finish()
	require.Equal(r, 2*jobs, r.Runs.Total())
}
