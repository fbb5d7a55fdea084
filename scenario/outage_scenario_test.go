package scenario_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

var errDown = errors.New("connection refused")

// TestScenario12_Outage: a dependency is down for 2 s and every job fails on every run. Nothing
// restarts, each failure is settled once, and after the recovery all end acknowledged without help.
func TestScenario12_Outage(t *testing.T) {
	for name, fail := range map[string]func() error{
		"Error": func() error { return errDown },
		"Panic": func() error { panic(errDown) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { outage(r, fail) })
		})
	}
}

func outage(r *rig.Rig, fail func() error) {
	const jobs = 1000
	up := time.Now().Add(2 * time.Second)
	r.Publish(jobs)
	r.Start(r.Handle(func(context.Context, string) error {
		if time.Now().Before(up) {
			return fail()
		}
		return nil
	}), gentask.Config{Concurrency: 50, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 200 * time.Millisecond, Max: time.Second}}})
	r.Finish()
	failures := 0
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.Outcome == task.Exit {
			failures++
			require.Equal(r, queue.Requeue, ev.Disposition)
			require.ErrorIs(r, ev.Reason, errDown)
		}
	}
	require.Equal(r, r.Runs.Total()-jobs, failures)
	require.GreaterOrEqual(r, failures, jobs, "the outage hit every job")
	require.Empty(r, r.Events(gentask.EventSessionLost))
	left, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Empty(r, left)
}
