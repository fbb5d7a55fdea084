package scenario_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
)

// runNodes runs the queue on one node at a time. A run of a killer ends its node: what that held is
// lost, and what it knew is forgotten. It returns how many nodes died.
func runNodes(r *rig.Rig, cfg gentask.Config, killers ...string) int {
	r.Helper()
	kills := map[string]bool{}
	for _, id := range killers {
		kills[id] = true
	}
	for n := 0; ; n++ {
		died := make(chan struct{}, 1)
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			number, _ := strconv.Atoi(id)
			if err := rig.Pause(ctx, time.Duration(1+number%7)*time.Millisecond); err != nil || !kills[id] {
				return err
			}
			if job, _ := gentask.FromContext(ctx); cfg.Policy.IsolateSuspects && job.Attempt() > 1 {
				assert.Equal(r, 1, r.Memory.Stats().Held, "a suspect is all that its node holds")
			}
			r.Memory.LoseSessions()
			died <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}), cfg)
		done, cancel := context.WithCancel(r.Context())
		empty := make(chan error, 1)
		go func() { empty <- r.Memory.WaitEmpty(done) }()
		select {
		case <-died:
			cancel()
			require.ErrorIs(r, <-empty, context.Canceled)
			r.Stop(c)
		case err := <-empty:
			cancel()
			require.NoError(r, err)
			r.Stop(c)
			return n
		case <-time.After(time.Hour):
			cancel()
			require.ErrorIs(r, <-empty, context.Canceled)
			require.Fail(r, "the queue is not worked off", "%+v", r.Memory.Stats())
		}
	}
}

// highestAttempts is the highest attempt of each message that was delivered.
func highestAttempts(r *rig.Rig) map[string]int {
	most := map[string]int{}
	for _, ev := range r.Events(gentask.EventReceived) {
		most[ev.ID] = max(most[ev.ID], ev.Attempt)
	}
	return most
}

// TestScenario32_SuspectsRunAlone: a message that kills the process is dead-lettered after its
// attempts, and its neighbours lose no more attempts than that of the first death. Without the
// policy they are dead-lettered, too.
func TestScenario32_SuspectsRunAlone(t *testing.T) {
	const jobs, most, killer = 100, 4, "7"
	for _, alone := range []bool{true, false} {
		t.Run(strconv.FormatBool(alone), func(t *testing.T) {
			rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 2}}).Run(t, func(r *rig.Rig) {
				r.Publish(jobs)
				cfg := gentask.Config{
					Concurrency: 5, Prefetch: 20, Retry: gentask.Retry{MaxAttempts: most}, Policy: gentask.Policy{IsolateSuspects: alone},
				}
				died := runNodes(r, cfg, killer)
				if !alone {
					require.Greater(r, r.Memory.Stats().DeadLettered, 1, "innocent neighbours")
					return
				}
				require.Equal(r, most, died)
				require.Equal(r, most, r.Runs.Of(killer))
				require.Equal(r, 1, r.Memory.Stats().DeadLettered)
				for id, attempt := range highestAttempts(r) {
					if id != killer {
						assert.LessOrEqual(r, attempt, 2, "message %s", id)
					}
				}
				assert.NotEmpty(r, r.Events(gentask.EventSuspect))
			})
		})
	}
}

// TestScenario32_SeveralKillers: of those that the same node held, each has its attempts, and
// neighbours lose one for each that hadn't killed before.
func TestScenario32_SeveralKillers(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{Late: 1}}).Run(t, func(r *rig.Rig) {
		const most = 3
		r.Publish(60)
		cfg := gentask.Config{Concurrency: 4, Prefetch: 8, Retry: gentask.Retry{MaxAttempts: most + 2}, Policy: gentask.Policy{IsolateSuspects: true}}
		runNodes(r, cfg, "5", "6", "30")
		require.Equal(r, 3, r.Memory.Stats().DeadLettered)
		for id, attempt := range highestAttempts(r) {
			if id != "5" && id != "6" && id != "30" {
				assert.LessOrEqual(r, attempt, most, "message %s", id)
			}
		}
	})
}

// TestScenario32_NoSuspects: requeues, releases, and sessions lost in a process that lives make no
// job a suspect.
func TestScenario32_NoSuspects(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(300)
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			if job, _ := gentask.FromContext(ctx); job.Attempt() == 1 && len(id)%2 == 0 {
				return context.Canceled
			}
			return rig.Pause(ctx, 10*time.Millisecond)
		}), gentask.Config{Prefetch: 30, Policy: gentask.Policy{IsolateSuspects: true}})
		for range 5 {
			time.Sleep(15 * time.Millisecond)
			r.Break()
			require.NoError(r, c.Pause(r.Context()))
			time.Sleep(time.Second)
			require.NoError(r, c.Resume(r.Context()))
		}
		r.Limit = time.Hour
		r.Finish()
		require.Empty(r, r.Events(gentask.EventSuspect))
	})
}

// TestScenario32_Interrupted: pause, lost sessions, an open breaker, a cancel and a drain in the
// middle of suspicion leave no job waiting, and nothing runs beside a suspect.
func TestScenario32_Interrupted(t *testing.T) {
	for name, cfg := range map[string]gentask.Config{
		"plain":       {Concurrency: 4, Prefetch: 12},
		"finish lost": {Concurrency: 4, Prefetch: 12, FinishLost: true},
		"strict": {Concurrency: 4, Prefetch: 12, Policy: gentask.Policy{
			Order: gentask.Order{Key: gentask.KeyHeader("none"), Strict: true},
		}},
		"breaker": {Concurrency: 4, Prefetch: 12, Policy: gentask.Policy{
			Breaker: gentask.Breaker{FailureRate: 0.5, MinRuns: 3, Wait: gentask.Backoff{Base: time.Second}},
		}},
	} {
		for _, isolates := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, place %v", name, isolates), func(t *testing.T) { interrupted(t, cfg, isolates) })
		}
	}
}

func interrupted(t *testing.T, cfg gentask.Config, isolates bool) {
	t.Helper()
	faults := memory.Faults{Late: 2, SlowSettle: time.Millisecond}
	rig.MemoryWith(memory.Config{Isolates: isolates, Faults: faults}).Run(t, func(r *rig.Rig) {
		r.Allow.Overlaps = cfg.FinishLost
		r.Publish(200)
		slow := r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) })
		first := r.Start(slow, gentask.Config{Concurrency: 40})
		time.Sleep(time.Second)
		r.Memory.LoseSessions() // a node dies: forty suspects for the next one
		r.Stop(first)
		cfg.Policy.IsolateSuspects = true
		c := r.Start(r.Handle(func(ctx context.Context, id string) error {
			if job, _ := gentask.FromContext(ctx); job.Attempt() < 4 && id[len(id)-1] == '3' {
				return context.Canceled
			}
			return rig.Pause(ctx, 7*time.Millisecond)
		}), cfg)
		for i := range 60 {
			time.Sleep(time.Duration(i%13) * time.Millisecond)
			switch i % 3 {
			case 0:
				require.NoError(r, c.Pause(r.Context()))
				time.Sleep(time.Duration(i%5) * time.Millisecond)
				require.NoError(r, c.Resume(r.Context()))
			case 1:
				r.Break()
			case 2:
				_ = c.Cancel(r.Context(), strconv.Itoa(i))
			}
		}
		r.Limit = 4 * time.Hour
		r.Finish()
		require.NotEmpty(r, r.Events(gentask.EventSuspect))
	})
}
