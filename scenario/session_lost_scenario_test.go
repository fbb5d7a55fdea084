package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// TestScenario18_SessionLostDuringAJob: what runs is cancelled with that cause, what has not been
// started is dropped without running, the events say that the deliveries were lost, and nothing of
// session 1 is settled in session 2, where the same tags exist.
func TestScenario18_SessionLostDuringAJob(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const running, prefetch = 3, 6
		var mu sync.Mutex
		causes := map[string]error{}
		ran := map[string][]int{} // attempts, by id
		r.Publish(prefetch)
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			mu.Lock()
			ran[id] = append(ran[id], job.Attempt())
			mu.Unlock()
			if job.Attempt() > 1 {
				return nil
			}
			<-ctx.Done()
			mu.Lock()
			causes[id] = context.Cause(ctx)
			mu.Unlock()
			require.ErrorIs(r, job.Settle(gentask.Ack()), gentask.ErrSessionLost)
			return nil // a value that comes too late
		}), gentask.Config{Concurrency: running, Prefetch: prefetch, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == prefetch && r.Runs.Now() == running })
		r.Break()
		r.Finish()

		require.Equal(r, map[string][]int{"1": {1, 2}, "2": {1, 2}, "3": {1, 2}, "4": {2}, "5": {2}, "6": {2}}, ran)
		require.Len(r, causes, running)
		for _, cause := range causes {
			require.ErrorIs(r, cause, gentask.ErrSessionLost)
		}
		lost := 0
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.Disposition == 0 {
				lost++
				require.ErrorIs(r, ev.Reason, gentask.ErrSessionLost)
				require.Equal(r, 1, ev.Attempt)
			}
		}
		require.Equal(r, prefetch, lost)
		requireSameTags(r, prefetch)
		require.Zero(r, r.Memory.Stats().Refused, "no settlement of a dead session reached the broker")
	})
}

// requireSameTags checks that session 2 has handed out the tags that session 1 had: else the test
// would prove little.
func requireSameTags(r *rig.Rig, n int) {
	r.Helper()
	tags := map[int]map[uint64]bool{1: {}, 2: {}}
	for _, e := range r.Memory.Journal() {
		if e.Op == memory.Delivered {
			tags[e.Session][e.Tag] = true
		}
	}
	require.Len(r, tags[1], n)
	require.Equal(r, tags[1], tags[2])
}

// TestScenario18_FinishLost: by option what runs may finish. Its result is of no use, and the
// message waits for its end before it runs again.
func TestScenario18_FinishLost(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const work = 10 * time.Second
		r.Publish(2)
		began := time.Now()
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, work) }), gentask.Config{FinishLost: true})
		r.Eventually("they run", func() bool { return r.Runs.Now() == 2 })
		r.Break()
		r.Finish()
		require.Empty(r, r.Runs.Overlaps())
		require.Equal(r, 4, r.Runs.Total())
		require.InDelta(r, 2*work, time.Since(began), float64(100*time.Millisecond))
		ends := r.Events(gentask.EventDone)
		require.Len(r, ends, 4)
		for _, ev := range ends[:2] {
			require.Zero(r, ev.Disposition)
			require.Equal(r, task.OK, ev.Outcome, "the run itself went well")
		}
	})
}

// TestScenario18_LostAgainAndAgain: with sessions that break at random, and settlements that may or
// may not have been applied, every message is acknowledged in the end.
func TestScenario18_LostAgainAndAgain(t *testing.T) {
	for name, faults := range map[string]memory.Faults{
		"Session": {LoseSession: memory.Rate(0.05)},
		"Ack":     {LoseAck: memory.Rate(0.1)},
		"Reply":   {LoseReply: memory.Rate(0.1)},
		"Settle":  {FailSettle: memory.Rate(0.2)},
		"All": {
			LoseSession: memory.Rate(0.02), LoseReply: memory.Rate(0.02), FailSettle: memory.Rate(0.1), RefuseOpen: memory.Rate(0.3),
			Reorder: memory.Rate(0.5), Duplicate: memory.Rate(0.05), Late: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.MemoryWith(memory.Config{Seed: 18, Faults: faults}).Run(t, func(r *rig.Rig) {
				r.Publish(400)
				r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 20*time.Millisecond) }),
					gentask.Config{
						Concurrency: 10, Prefetch: 15, Retry: gentask.Retry{MaxAttempts: -1}, Reconnect: gentask.Backoff{Max: time.Second},
					})
				r.Limit = time.Hour
				r.Finish()
				require.Greater(r, r.Memory.Stats().Opened+r.Memory.Stats().Refused, 1, "it was rough")
				require.Zero(r, r.Memory.Stats().DeadLettered)
			})
		})
	}
}
