package promises

import (
	"context"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// Killings are the ways to end an actor from outside.
var Killings = map[string]func(*actor.System, *actor.PID){"Stop": actor.Stop, "Kill": actor.Kill}

// WorkerKilled is scenario 10. It kills the worker of a task that takes its time to stop: the
// delivery is settled once, by the ledger, when the task has returned, and the job never runs twice
// at the same time (which the rig checks).
func WorkerKilled(r *rig.Rig, kill func(*actor.System, *actor.PID)) {
	const toStop = 50 * time.Millisecond
	var mu sync.Mutex
	var causes []error
	var stopped time.Time
	r.Publish(1)
	c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
		if job, _ := gentask.FromContext(ctx); job.Attempt() > 1 {
			return nil
		}
		<-ctx.Done()
		time.Sleep(toStop)
		mu.Lock()
		defer mu.Unlock()
		causes, stopped = append(causes, context.Cause(ctx)), time.Now()
		return ctx.Err()
	}), gentask.Config{Concurrency: 2, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond}}})
	r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })
	worker := WorkerOf(r)
	kill(r.System, worker)
	r.Finish()
	mu.Lock()
	defer mu.Unlock()
	require.Len(r, causes, 1, "the context was cancelled")
	require.ErrorIs(r, causes[0], gentask.ErrWorkerLost)
	require.Equal(r, 2, r.Runs.Total())
	ends := EndsOfMessage(r, "1", 2)
	first, last := ends[0], ends[1]
	require.Equal(r, queue.Requeue, first.Disposition)
	require.ErrorIs(r, first.Reason, gentask.ErrWorkerLost)
	require.False(r, first.Time.Before(stopped), "settled when the task had returned")
	require.Equal(r, queue.Ack, last.Disposition)
	require.Equal(r, gentask.Consuming, c.Health().State)
}

// WorkerOf waits for a worker, and returns the first.
func WorkerOf(r *rig.Rig) *actor.PID {
	r.Helper()
	r.Eventually("there is a worker", func() bool { return len(Workers(r)) > 0 })
	return Workers(r)[0]
}

// Workers lists the workers of all consumers of the rig.
func Workers(r *rig.Rig) []*actor.PID {
	r.Helper()
	var all []*actor.PID
	for _, c := range r.Nodes() {
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		for _, j := range jobs {
			if j.Worker != nil {
				all = append(all, j.Worker)
			}
		}
	}
	return all
}

// EndsOfMessage waits for n ends of the message. A settlement is seen at the broker before its
// event is.
func EndsOfMessage(r *rig.Rig, id string, n int) []gentask.Event {
	r.Helper()
	var ends []gentask.Event
	r.Eventually("the ends of message "+id+" are told", func() bool {
		ends = nil
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.ID == id {
				ends = append(ends, ev)
			}
		}
		return len(ends) >= n
	})
	return ends
}
