package scenario_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// TestScenario09_ABusyWorkerAnswers while Run takes 10 s: its status at once, and a cancel within
// the grace.
func TestScenario09_ABusyWorkerAnswers(t *testing.T) {
	t.Run("VirtualTime", func(t *testing.T) { rig.Memory().Run(t, scenario09) })
	t.Run("RealTime", func(t *testing.T) { realTime(rig.Memory()).Run(t, scenario09) })
}

func scenario09(r *rig.Rig) {
	const grace = 500 * time.Millisecond
	heard := make(chan task.Outcome[int], 1)
	r.Publish(1)
	c := r.Start(gentask.Work(&rig.Worker[[]byte, int]{
		OnRun: rig.Track(r.Runs, func(ctx context.Context, _ []byte) (int, error) { return 1, pause10(ctx) }),
		OnResult: func(job gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
			heard <- o
			return gentask.DefaultDecision(job, o)
		},
	}), gentask.Config{Grace: grace})
	r.Eventually("it runs", func() bool { return r.Runs.Now() == 1 })

	require.Less(r, medianOf(func() {
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		require.Len(r, jobs, 1)
		require.True(r, jobs[0].Running)
		require.Equal(r, "1", jobs[0].ID)
		require.Equal(r, gentask.Decision{}, jobs[0].Decision)
	}), 50*time.Millisecond)

	begin := time.Now()
	require.NoError(r, c.Cancel(r.Context(), "1"))
	o := <-heard
	require.Less(r, time.Since(begin), grace)
	require.Equal(r, task.Exit, o.Status)
	require.ErrorIs(r, o.Reason, gentask.ErrCancelled)
	r.Finish()
	require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
	require.ErrorIs(r, c.Cancel(r.Context(), "1"), gentask.ErrUnknownJob)
}

// pause10 takes 10 s, unless it is told to stop.
func pause10(ctx context.Context) error {
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// medianOf returns the median of the time that f takes, on a busy machine too.
func medianOf(f func()) time.Duration {
	took := make([]time.Duration, 21)
	for i := range took {
		begin := time.Now()
		f()
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// TestScenario09_CancelOfATaskThatWillNotStop leads to HandleResult all the same, when the grace is
// over.
func TestScenario09_CancelOfATaskThatWillNotStop(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		d := newDeaf()
		l := &listen{deafs: map[string]*deaf{"1": d}}
		r.Publish(1)
		c := r.Start(gentask.Work(l), gentask.Config{Grace: time.Second})
		r.Rest()
		begin := time.Now()
		require.NoError(r, c.Cancel(r.Context(), "1"))
		r.Finish()
		require.Equal(r, time.Second, time.Since(begin))
		require.ErrorIs(r, l.of("1")[0].Reason, gentask.ErrCancelled)
		require.ErrorIs(r, l.of("1")[0].Reason, task.ErrAbandoned)
		close(d.release)
	})
}

// TestScenario09_CancelBeforeTheStart: a job that waits for its slot is never run, and its worker
// is told why.
func TestScenario09_CancelBeforeTheStart(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return pause10(ctx) }),
			gentask.Config{Concurrency: 1, Prefetch: 2})
		r.Eventually("both are held", func() bool { return c.Health().Held == 2 })
		require.NoError(r, c.Cancel(r.Context(), "2"))
		r.Finish()
		require.Zero(r, r.Runs.Of("2"))
		require.Equal(r, queue.DeadLetter, eventOf(r, "2").Disposition)
		require.ErrorIs(r, eventOf(r, "2").Reason, gentask.ErrCancelled)
		require.Equal(r, queue.Ack, eventOf(r, "1").Disposition)
	})
}

// TestScenario09_AnActorWorkerAnswersItself: it gets its own messages while its task runs.
func TestScenario09_AnActorWorkerAnswersItself(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		type statusRequest struct{ answer func(string) }
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			status := "new"
			return actor.FromFunc(func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *actor.Started:
					status = "running"
					_ = job.Run(ctx, func(c context.Context) (any, error) { return nil, pause10(c) })
				case *statusRequest:
					msg.answer(status)
				case string:
					status = msg
					job.Cancel()
				case *task.Outcome[any]:
					_ = job.Settle(gentask.DeadLetter(msg.Reason))
					actor.Exit(ctx, nil)
				}
			})
		}), gentask.Config{})
		worker := promises.WorkerOf(r)
		ask := func() string {
			s, err := actor.Ask(r.Context(), r.System, worker, func(answer func(string)) any { return &statusRequest{answer} })
			require.NoError(r, err)
			return s
		}
		begin := time.Now()
		require.Equal(r, "running", ask())
		actor.Send(r.System, worker, "stopping")
		r.Finish()
		require.Less(r, time.Since(begin), time.Second)
		require.ErrorIs(r, eventOf(r, "1").Reason, gentask.ErrCancelled)
	})
}
