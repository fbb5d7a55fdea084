package scenario_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

var errLate = errors.New("too late")

// TestScenario24_SettleOnce: for each early decision and each end of the job, only the
// first decision reaches the wire.
func TestScenario24_SettleOnce(t *testing.T) {
	early := map[string]gentask.Decision{
		"Ack":        gentask.Ack(),
		"Requeue":    gentask.Requeue(time.Second),
		"Release":    gentask.Release(),
		"DeadLetter": gentask.DeadLetter(errLate),
	}
	ends := map[string]func(context.Context) error{
		"Return":  func(context.Context) error { return nil },
		"Error":   func(context.Context) error { return errLate },
		"Panic":   func(context.Context) error { panic(errLate) },
		"Goexit":  func(context.Context) error { runtime.Goexit(); return nil },
		"Timeout": func(ctx context.Context) error { return rig.Pause(ctx, time.Hour) },
	}
	for first, decision := range early {
		for end, f := range ends {
			t.Run(first+"Then"+end, func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) { settleEarly(r, decision, f) })
			})
		}
	}
}

// settleEarly settles the first run of a job by decision and has it end like end; another run, if
// there is one, is acknowledged.
func settleEarly(r *rig.Rig, decision gentask.Decision, end func(context.Context) error) {
	asked := 0
	r.Publish(1)
	r.Start(rig.Work(r, func(ctx context.Context, _ string) (int, error) {
		job, _ := gentask.FromContext(ctx)
		if r.Runs.Total() > 1 {
			return 0, job.Settle(gentask.Ack())
		}
		require.NoError(r, job.Settle(decision))
		for _, again := range []gentask.Decision{gentask.Ack(), gentask.Requeue(0), gentask.Release(), gentask.DeadLetter(nil), decision} {
			require.ErrorIs(r, job.Settle(again), gentask.ErrSettled)
		}
		return 0, end(ctx)
	}, func(job gentask.Job[string], _ task.Outcome[int]) gentask.Decision {
		asked++
		require.ErrorIs(r, job.Settle(gentask.Requeue(0)), gentask.ErrSettled)
		return gentask.DeadLetter(errLate)
	}), gentask.Config{Timeout: 10 * time.Second})
	r.Finish()
	r.Eventually("it has ended", func() bool { return r.Nodes()[0].Health().Running == 0 })
	require.Equal(r, r.Runs.Total(), asked, "HandleResult hears the outcome all the same")
	requireWire(r, decision)
}

// requireWire checks what the broker was told: the decision, and an ack of the next delivery if
// there was one. Nothing was refused.
func requireWire(r *rig.Rig, d gentask.Decision) {
	r.Helper()
	want := map[string]memory.Stats{
		gentask.Ack().String():                {Acked: 1},
		gentask.Requeue(time.Second).String(): {Acked: 1, Requeued: 1},
		gentask.Release().String():            {Acked: 1, Released: 1},
		gentask.DeadLetter(errLate).String():  {DeadLettered: 1},
	}[d.String()]
	s := r.Memory.Stats()
	got := memory.Stats{Acked: s.Acked, Requeued: s.Requeued, Released: s.Released, DeadLettered: s.DeadLettered, Refused: s.Refused}
	require.Equal(r, want, got)
}

// TestScenario24_ManyAtOnce: of a hundred that settle at the same time, one does.
func TestScenario24_ManyAtOnce(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, settlers = 50, 100
		var won, lost atomic.Int32
		r.Publish(jobs)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			for i := range settlers {
				_ = task.Go(ctx, func(context.Context) error {
					d := gentask.Ack()
					if i%2 == 1 {
						d = gentask.DeadLetter(errLate)
					}
					switch err := job.Settle(d); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, gentask.ErrSettled):
						lost.Add(1)
					}
					return nil
				})
			}
			return nil
		}), gentask.Config{})
		r.Finish()
		r.Eventually("all have ended", func() bool { return r.Nodes()[0].Health().Running == 0 })
		require.EqualValues(r, jobs, won.Load())
		require.EqualValues(r, jobs*(settlers-1), lost.Load())
		require.Equal(r, jobs, r.Memory.Stats().Delivered)
	})
}

// TestScenario24_UndecidedSettlesNothing: the zero decision and Extend are refused, and leave the
// job as it was.
func TestScenario24_UndecidedSettlesNothing(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			require.ErrorIs(r, job.Settle(gentask.Decision{}), gentask.ErrUndecided)
			require.ErrorIs(r, job.Settle(gentask.Extend(time.Second)), gentask.ErrUndecided)
			return nil
		}), gentask.Config{})
		r.Finish()
		require.Equal(r, 1, r.Memory.Stats().Acked)
	})
}

// TestScenario24_RefusedSettlementIsTriedAgain: what the broker doesn't take is held on to, with
// the same decision, and the job isn't run again.
func TestScenario24_RefusedSettlementIsTriedAgain(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{FailSettle: memory.Times(5)}}).Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(r.Handle(func(context.Context, string) error { return errLate }), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		r.Finish()
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, 1, r.Memory.Stats().DeadLettered)
		require.Len(r, r.Events(gentask.EventSettleFailed), 5)
		letters, err := r.DeadLetters(r.Context())
		require.NoError(r, err)
		require.Contains(r, letters[0].Headers[queue.HeaderReason], errLate.Error())
	})
}
