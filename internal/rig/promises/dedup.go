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

// RequireDuplicates checks how many deliveries were acknowledged without a run, and that they are
// told so.
func RequireDuplicates(r *rig.Rig, n int) {
	r.Helper()
	duplicates := 0
	for _, ev := range r.Events(gentask.EventDone) {
		if errors.Is(ev.Reason, gentask.ErrDuplicate) {
			duplicates++
			require.Equal(r, queue.Ack, ev.Disposition)
			require.Zero(r, ev.Outcome)
			require.Zero(r, ev.RunTime)
			require.True(r, ev.Redelivered)
		}
	}
	require.Equal(r, n, duplicates, "deliveries acknowledged without a run")
}

// DoneOnce is scenario 31: five jobs lose their session when they are done. The broker delivers
// them again, and none runs again.
func DoneOnce(r *rig.Rig) {
	const jobs, atOnce = 50, 5
	var cut, told sync.Once
	lost := make(chan struct{})
	var together sync.WaitGroup
	together.Add(atOnce)
	arrived := 0
	var mu sync.Mutex
	r.Publish(jobs)
	r.Start(r.Handle(func(_ context.Context, _ string) error {
		mu.Lock()
		arrived++
		first := arrived <= atOnce
		mu.Unlock()
		if first {
			together.Done()
			together.Wait()
			cut.Do(r.Break)
			<-lost
		}
		return nil
	}), gentask.Config{
		Concurrency: atOnce, Prefetch: 2 * atOnce, FinishLost: true,
		OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventSessionLost {
				told.Do(func() { close(lost) })
			}
		},
		Policy: gentask.Policy{Dedup: gentask.Dedup{Remember: jobs}},
	})
	r.Finish()
	require.Equal(r, jobs, r.Runs.Total(), "runs")
	RequireDuplicates(r, atOnce)
}
