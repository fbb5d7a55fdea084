package gentask_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// returns are the behaviors whose functions return an error; each returns that of f.
func returns(f func() error) map[string]gentask.Behavior {
	return map[string]gentask.Behavior{
		"Handle": gentask.Handle(func(context.Context, mail) error { return f() }),
		"Work": gentask.Work(&rig.Worker[mail, int]{
			OnRun:    func(context.Context, mail) (int, error) { return 0, f() },
			OnResult: func(gentask.Job[mail], task.Outcome[int]) gentask.Decision { return gentask.Decision{} },
		}),
		"Batch": gentask.Batch(func(context.Context, []gentask.Job[mail]) (gentask.Results, error) {
			return nil, f()
		}, gentask.BatchConfig{}),
		"result of a Batch": gentask.Batch(func(_ context.Context, jobs []gentask.Job[mail]) (gentask.Results, error) {
			return gentask.Results{jobs[0].ID(): f()}, nil
		}, gentask.BatchConfig{}),
	}
}

// TestDecision_IsAnError: a function that returns one decides by it, also if it is wrapped, and
// before a rule is asked. One that settles nothing is an error like any other.
func TestDecision_IsAnError(t *testing.T) {
	const requeue, snooze = "gentask: requeue after 1m0s", "gentask: snooze 1h0m0s"
	err := &codeError{404}
	for name, c := range map[string]struct {
		err    error
		want   queue.Disposition
		after  time.Duration
		reason string
	}{
		"Ack":                 {gentask.Ack(), queue.Ack, 0, "gentask: ack"},
		"Requeue":             {gentask.Requeue(time.Minute), queue.Requeue, time.Minute, requeue},
		"Release":             {gentask.Release(), queue.Release, 0, "gentask: release"},
		"Snooze":              {gentask.Snooze(time.Hour), queue.Release, time.Hour, snooze},
		"PauseConsumer":       {gentask.PauseConsumer(), queue.Release, 0, "gentask: pause consumer"},
		"DeadLetter":          {gentask.DeadLetter(err), queue.DeadLetter, 0, "code 404"},
		"DeadLetter, nil":     {gentask.DeadLetter(nil), queue.DeadLetter, 0, "gentask: dead letter"},
		"wrapped":             {fmt.Errorf("busy: %w", gentask.Requeue(time.Minute)), queue.Requeue, time.Minute, "busy: " + requeue},
		"wrapped dead letter": {fmt.Errorf("send: %w", gentask.DeadLetter(err)), queue.DeadLetter, 0, "send: gentask: dead letter: code 404"},
		"joined":              {errors.Join(err, gentask.Snooze(time.Hour)), queue.Release, time.Hour, "code 404\n" + snooze},
		"of two, the outer":   {gentask.DeadLetter(fmt.Errorf("late: %w", gentask.Snooze(time.Hour))), queue.DeadLetter, 0, "late: " + snooze},
		"Extend":              {gentask.Extend(time.Hour), queue.Requeue, 7 * time.Second, "gentask: extend 1h0m0s"},
		"none":                {gentask.Decision{}, queue.Requeue, 7 * time.Second, "gentask: undecided"},
	} {
		for kind, behavior := range returns(func() error { return c.err }) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rules := []gentask.Rule{{When: gentask.WhenFailed, Do: gentask.Requeue(7 * time.Second)}}
					got := gentasktest.Run(t, behavior, gentasktest.JSON(t, mail{}), gentask.Config{Retry: gentask.Retry{Rules: rules}})
					require.Equal(t, c.want, got.Disposition)
					require.Equal(t, c.after, got.After)
					require.Equal(t, task.Exit, got.Outcome)
					require.EqualError(t, got.Reason, c.reason)
				})
			})
		}
	}
}

// TestDecision_AsErrorCostsAttempts as the same decision of a HandleResult does.
func TestDecision_AsErrorCostsAttempts(t *testing.T) {
	for d, want := range map[gentask.Decision]queue.Disposition{
		gentask.Requeue(time.Minute): queue.DeadLetter, gentask.Snooze(time.Minute): queue.Release,
	} {
		got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { return d }),
			gentasktest.Attempt(gentasktest.JSON(t, mail{}), 3), gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}})
		require.Equal(t, want, got.Disposition)
		require.ErrorIs(t, got.Reason, d)
	}
}

// TestDecision_OfAJobStatus is what was decided, and has words in JSON.
func TestDecision_OfAJobStatus(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			require.NoError(r, job.Settle(gentask.Snooze(time.Hour)))
			<-release
			return nil
		}), gentask.Config{})
		r.Rest()
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		require.Len(r, jobs, 1)
		require.Equal(r, gentask.Snooze(time.Hour), jobs[0].Decision)
		text, err := json.Marshal(jobs[0])
		require.NoError(r, err)
		require.Contains(r, string(text), `"Decision":"snooze 1h0m0s"`)
		close(release)
		r.Stop(c)
	})
}

// TestDecision_InPackageErrors: errors.Is, As and Unwrap work on it, also through the reason of an
// event.
func TestDecision_InPackageErrors(t *testing.T) {
	err := fmt.Errorf("send: %w", gentask.DeadLetter(&codeError{404}))
	var d gentask.Decision
	require.ErrorAs(t, err, &d)
	require.Equal(t, "dead letter: code 404", d.String())
	var code *codeError
	require.ErrorAs(t, err, &code)
	require.NoError(t, gentask.Snooze(time.Hour).Unwrap())
	require.ErrorIs(t, fmt.Errorf("later: %w", gentask.Snooze(time.Hour)), gentask.Snooze(time.Hour))
	require.NotErrorIs(t, gentask.Snooze(time.Hour), gentask.Snooze(time.Minute))
	got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { return err }), gentasktest.JSON(t, mail{}), gentask.Config{})
	require.ErrorAs(t, got.Reason, &d)
	require.ErrorAs(t, got.Reason, &code)
}
