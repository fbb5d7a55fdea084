package scenario_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// TestScenario32_ManyKillers: at a broker with a place for suspects, 40 killers among 500 messages
// have their attempts each, and push no other message beyond its second.
func TestScenario32_ManyKillers(t *testing.T) {
	rig.MemoryWith(memory.Config{Isolates: true, Faults: memory.Faults{Late: 2}}).Run(t, func(r *rig.Rig) {
		const jobs, most, every = 500, 4, 12
		r.Limit = 24 * time.Hour
		r.Publish(jobs)
		var killers []string
		for n := every; n < jobs; n += every {
			killers = append(killers, strconv.Itoa(n))
		}
		cfg := gentask.Config{
			Concurrency: 4, Prefetch: 10, Retry: gentask.Retry{MaxAttempts: most}, Policy: gentask.Policy{IsolateSuspects: true},
		}
		runNodes(r, cfg, killers...)
		require.Equal(r, len(killers), r.Memory.Stats().DeadLettered)
		kills := map[string]bool{}
		for _, id := range killers {
			kills[id] = true
			assert.Equal(r, most, r.Runs.Of(id), "runs of killer %s", id)
		}
		second := 0
		for id, attempt := range highestAttempts(r) {
			if !kills[id] {
				assert.LessOrEqual(r, attempt, 2, "message %s", id)
				second += attempt - 1
			}
		}
		assert.Positive(r, second, "nobody was held beside a killer")
	})
}

// TestScenario32_PlaceInTurns: while many suspects wait at their place, other messages run, too,
// and requeues of a suspect go back to the queue.
func TestScenario32_PlaceInTurns(t *testing.T) {
	rig.MemoryWith(memory.Config{Isolates: true}).Run(t, func(r *rig.Rig) {
		const suspects, others = 40, 400
		r.Limit = time.Hour
		r.Publish(suspects)
		slow := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Hour) }),
			gentask.Config{Concurrency: suspects})
		time.Sleep(time.Second)
		r.Memory.LoseSessions()
		r.Stop(slow)
		r.Publish(others)
		alone := 0
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			if job.Attempt() != 2 {
				return rig.Pause(ctx, 100*time.Millisecond)
			}
			alone++ // one at a time
			assert.Equal(r, 1, r.Memory.Stats().Held, "a suspect is all that its node holds")
			if err := rig.Pause(ctx, 300*time.Millisecond); err != nil {
				return err
			}
			return context.Canceled
		}), gentask.Config{Concurrency: 4, Policy: gentask.Policy{IsolateSuspects: true}})
		time.Sleep(10 * time.Second)
		assert.Positive(r, r.Memory.Stats().Isolated, "suspects wait")
		assert.Greater(r, r.Memory.Stats().Acked, 20, "others run meanwhile")
		r.Finish()
		r.Stop(c)
		assert.Equal(r, suspects, alone)
	})
}
