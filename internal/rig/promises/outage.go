package promises

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Outage is scenario 12: the outage lasts 2 s, and until every job has failed once. The back-off
// grows until fewer jobs are due in a second than a busy machine runs: a broker may deliver those
// first, and then it would never come to the others.
func Outage(r *rig.Rig) {
	const jobs = 1000
	var up atomic.Bool
	var mu sync.Mutex
	failed := map[string]bool{}
	r.Publish(jobs)
	c := r.Start(r.Handle(func(_ context.Context, id string) error {
		if up.Load() {
			return nil
		}
		mu.Lock()
		failed[id] = true
		mu.Unlock()
		panic(errDown)
	}), gentask.Config{
		Concurrency: 50,
		Retry:       gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: 200 * time.Millisecond, Max: 5 * time.Second}},
	})
	ledger, tasks := r.Find("ledger"), r.Find("tasks")
	began := time.Now()
	r.Eventually("the outage has hit every job", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(failed) == jobs && time.Since(began) > 2*time.Second
	})
	up.Store(true)
	r.Finish()

	ends := map[task.Status]int{}
	for _, ev := range r.Events(gentask.EventDone) {
		ends[ev.Outcome]++
		if ev.Outcome == task.Exit {
			require.Equal(r, queue.Requeue, ev.Disposition)
			require.ErrorIs(r, ev.Reason, errDown)
		}
	}
	require.Equal(r, map[task.Status]int{task.OK: jobs, task.Exit: r.Runs.Total() - jobs}, ends, "each failure is settled once")
	require.Equal(r, ledger.Id, r.Find("ledger").Id, "the supervisor of workers was not restarted")
	require.Equal(r, tasks.Id, r.Find("tasks").Id, "nor was that of tasks")
	require.Empty(r, r.Events(gentask.EventSessionLost))
	require.Equal(r, gentask.Consuming, c.Health().State)
	dead, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Empty(r, dead)
}
