package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// TestScenario07_OnlyRunIsWritten, and it fails: one requeue with back-off, and the worker ends
// normally. The default of the original restarts it hot, until its supervisor is dead.
func TestScenario07_OnlyRunIsWritten(t *testing.T) {
	fail := func(context.Context, []byte) (int, error) { return 0, errOwn }
	for name, behavior := range map[string]func(*rig.Rig) gentask.Behavior{
		"Handle": func(r *rig.Rig) gentask.Behavior {
			return r.Handle(func(context.Context, string) error { return errOwn })
		},
		"HandleResult decides nothing": func(r *rig.Rig) gentask.Behavior {
			return gentask.Work(&rig.Worker[[]byte, int]{
				OnRun:    rig.Track(r.Runs, fail),
				OnResult: func(gentask.Job[[]byte], task.Outcome[int]) gentask.Decision { return gentask.Decision{} },
			})
		},
		"HandleResult waits for nothing": func(r *rig.Rig) gentask.Behavior {
			return gentask.Work(&rig.Worker[[]byte, int]{
				OnRun:    rig.Track(r.Runs, fail),
				OnResult: func(gentask.Job[[]byte], task.Outcome[int]) gentask.Decision { return gentask.Extend(time.Hour) },
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { onlyRun(r, behavior(r)) })
		})
	}
}

// requireNoEarlier: what was requeued came again no earlier than was decided. In virtual time no
// time passes between a settlement and its event.
func requireNoEarlier(r *rig.Rig) {
	r.Helper()
	due := map[string]time.Time{}
	for _, ev := range r.Events(gentask.EventReceived, gentask.EventDone) {
		switch {
		case ev.Kind == gentask.EventDone:
			due[ev.ID] = ev.Time.Add(ev.After)
		case ev.Time.Before(due[ev.ID]):
			r.Fatalf("attempt %d of %s came %v before its time", ev.Attempt, ev.ID, due[ev.ID].Sub(ev.Time))
		}
	}
}

func onlyRun(r *rig.Rig, behavior gentask.Behavior) {
	const jobs, attempts = 10, 3
	r.Limit = time.Hour
	r.Publish(jobs)
	c := r.Start(behavior, gentask.Config{Retry: gentask.Retry{MaxAttempts: attempts, Backoff: gentask.Backoff{Base: time.Minute}}})
	r.Eventually("all have failed once", func() bool { return r.Memory.Stats().Delayed == jobs })
	require.Equal(r, jobs, r.Runs.Total(), "nothing is run again before its time")
	require.Zero(r, c.Health().Running, "the workers have ended")
	require.Zero(r, c.Health().Held, "what waits holds no slot")
	r.Finish()
	require.Equal(r, jobs*attempts, r.Runs.Total())
	require.Equal(r, jobs*(attempts-1), r.Memory.Stats().Requeued)
	require.Equal(r, jobs, r.Memory.Stats().DeadLettered)
	for _, ev := range r.Events(gentask.EventDone) {
		require.Equal(r, task.Exit, ev.Outcome)
		require.ErrorIs(r, ev.Reason, errOwn)
		if ev.Disposition == queue.Requeue {
			most := time.Minute << (ev.Attempt - 1)
			require.Positive(r, ev.After)
			require.LessOrEqual(r, ev.After, most)
		}
	}
	requireNoEarlier(r)
}
