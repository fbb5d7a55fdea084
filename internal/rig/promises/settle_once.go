package promises

import (
	"context"
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// SettledOverAndOver is scenario 24: each job is settled early, by several at once, and then fails.
func SettledOverAndOver(r *rig.Rig) {
	const jobs, settlers = 200, 4
	var mu sync.Mutex
	first := map[string]int{}
	r.Publish(jobs)
	r.Start(r.Handle(func(ctx context.Context, id string) error {
		job, _ := gentask.FromContext(ctx)
		var all sync.WaitGroup
		for i := range settlers {
			all.Go(func() {
				switch err := job.Settle([]gentask.Decision{gentask.Ack(), gentask.DeadLetter(errOwn)}[i%2]); {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					first[id]++
				case !errors.Is(err, gentask.ErrSettled):
					r.Errorf("message %s: settled again: %v", id, err)
				}
			})
		}
		all.Wait()
		return errOwn
	}), gentask.Config{Concurrency: 20})
	r.Finish()

	require.Len(r, first, jobs)
	for id, n := range first {
		require.Equal(r, 1, n, "settlements of %s that counted", id)
	}
	settled := map[queue.Disposition]int{}
	for _, ev := range r.Events(gentask.EventDone) {
		settled[ev.Disposition]++
	}
	dead, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Len(r, dead, settled[queue.DeadLetter])
	require.Equal(r, jobs, settled[queue.Ack]+settled[queue.DeadLetter], "no failure after an early settlement is a requeue")
	require.Empty(r, r.Events(gentask.EventSessionLost), "no channel was closed")
	require.Empty(r, r.Events(gentask.EventSettleFailed))
}
