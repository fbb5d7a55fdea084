package gentask_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// asJob calls f with a job, in its HandleResult.
func asJob(t *testing.T, cfg gentask.Config, f func(gentask.Job[mail])) {
	t.Helper()
	called := false
	gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
		OnRun: func(context.Context, mail) (int, error) { return 0, nil },
		OnResult: func(job gentask.Job[mail], _ task.Outcome[int]) gentask.Decision {
			f(job)
			called = true
			return gentask.Ack()
		},
	}), gentasktest.Attempt(gentasktest.JSON(t, mail{To: "anna"}), 2), cfg)
	require.True(t, called)
}

// TestDefaultDecision is its table.
func TestDefaultDecision(t *testing.T) {
	const (
		ack        = "ack"
		release    = "release"
		requeue    = "requeue"
		deadLetter = "dead letter"
	)
	wrapped := func(err error) error { return fmt.Errorf("stopped: %w: %w", err, context.Canceled) }
	asJob(t, gentask.Config{}, func(job gentask.Job[mail]) {
		for _, c := range []struct {
			o    task.Outcome[int]
			want string
		}{
			{task.Outcome[int]{Status: task.OK}, ack},
			{task.Outcome[int]{Status: task.Exit, Reason: errOwn}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: &actor.PanicError{Value: "x"}}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: actor.ErrGoexit}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: context.Canceled}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: context.DeadlineExceeded}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: gentask.ErrWorkerLost}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: wrapped(task.ErrAbandoned)}, requeue},
			{task.Outcome[int]{Status: task.Exit}, requeue},
			{task.Outcome[int]{Status: task.Exit, Reason: &gentask.DecodeError{Err: errOwn}}, deadLetter},
			{task.Outcome[int]{Status: task.Exit, Reason: wrapped(gentask.ErrCancelled)}, deadLetter},
			{task.Outcome[int]{Status: task.Exit, Reason: wrapped(gentask.ErrDrained)}, release},
			{task.Outcome[int]{Status: task.Exit, Reason: wrapped(gentask.ErrSessionLost)}, release},
			{task.Outcome[int]{Status: task.Timeout, Reason: task.ErrTimeout}, requeue},
		} {
			require.Contains(t, gentask.DefaultDecision(job, c.o).String(), c.want, "%+v", c.o)
		}
	})
}

func TestJob(t *testing.T) {
	asJob(t, gentask.Config{}, func(job gentask.Job[mail]) {
		require.NotEmpty(t, job.ID())
		require.Equal(t, 2, job.Attempt())
		require.True(t, job.Redelivered())
		require.Equal(t, mail{To: "anna"}, job.Payload())
		require.JSONEq(t, `{"To":"anna"}`, string(job.Body()))
		require.WithinDuration(t, time.Now(), job.Published(), time.Minute)
		job.Headers()[queue.HeaderAttempts] = "changed"
		require.Equal(t, "1", job.Headers()[queue.HeaderAttempts], "a copy")
	})
	_, ok := gentask.FromContext(t.Context())
	require.False(t, ok)
}

// TestBackoff: from half of d to d, d doubled with each attempt, up to Max; and all over that
// range.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		config    gentask.Backoff
		base, max time.Duration
	}{
		{gentask.Backoff{}, time.Second, 6 * time.Hour},
		{gentask.Backoff{Base: time.Minute}, time.Minute, 6 * time.Hour},
		{gentask.Backoff{Base: time.Hour, Max: time.Hour}, time.Hour, time.Hour},
		{gentask.Backoff{Max: 3 * time.Second}, time.Second, 3 * time.Second},
		{gentask.Backoff{Base: time.Millisecond, Max: time.Second}, time.Millisecond, time.Second},
	} {
		cfg := gentask.Config{Retry: gentask.Retry{Backoff: c.config, MaxAttempts: -1}}
		for _, attempt := range []int{1, 2, 3, 10, 64, 1 << 20} {
			d := c.max
			if attempt < 60 {
				d = min(c.base<<(attempt-1), c.max)
			}
			seen := map[time.Duration]bool{}
			gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
				OnRun: func(context.Context, mail) (int, error) { return 0, nil },
				OnResult: func(job gentask.Job[mail], _ task.Outcome[int]) gentask.Decision {
					for range 200 {
						wait := job.Backoff()
						require.GreaterOrEqual(t, wait, d/2)
						require.LessOrEqual(t, wait, d)
						seen[20*wait/(d+1)] = true
					}
					return gentask.Ack()
				},
			}), gentasktest.Attempt(gentasktest.JSON(t, mail{}), attempt), cfg)
			require.Greater(t, len(seen), 6, "of the ten twentieths from half of d to d")
		}
	}
}

func TestDecision(t *testing.T) {
	for want, d := range map[string]gentask.Decision{
		"undecided":            {},
		"ack":                  gentask.Ack(),
		"requeue after 1s":     gentask.Requeue(time.Second),
		"requeue after 0s":     gentask.Requeue(-time.Second),
		"release":              gentask.Release(),
		"snooze 1m0s":          gentask.Snooze(time.Minute),
		"pause consumer":       gentask.PauseConsumer(),
		"dead letter: bounced": gentask.DeadLetter(fmt.Errorf("bounced")),
		"extend 1m0s":          gentask.Extend(time.Minute),
	} {
		require.Equal(t, want, d.String())
	}
}

// TestMaxAttempts: a requeue of the last attempt is a dead letter, however it came about; a
// delivery beyond is one without a run. Nothing else is limited.
func TestMaxAttempts(t *testing.T) {
	cfg := gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}}
	for name, c := range map[string]struct {
		decide gentask.Decision
		want   queue.Disposition
	}{
		"requeue":     {gentask.Requeue(time.Hour), queue.DeadLetter},
		"default":     {gentask.Decision{}, queue.DeadLetter},
		"release":     {gentask.Release(), queue.Release},
		"ack":         {gentask.Ack(), queue.Ack},
		"dead letter": {gentask.DeadLetter(nil), queue.DeadLetter},
	} {
		t.Run(name, func(t *testing.T) {
			for attempt := 1; attempt <= 4; attempt++ {
				runs := 0
				got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
					OnRun:    func(context.Context, mail) (int, error) { runs++; return 0, errOwn },
					OnResult: func(gentask.Job[mail], task.Outcome[int]) gentask.Decision { return c.decide },
				}), gentasktest.Attempt(gentasktest.JSON(t, mail{}), attempt), cfg)
				switch {
				case attempt > 3:
					checkSpent(t, got, 4, nil)
					require.Zero(t, runs)
				case attempt == 3 && c.want == queue.DeadLetter && name != "dead letter":
					checkSpent(t, got, 3, errOwn)
				case attempt < 3 && c.want == queue.DeadLetter && name != "dead letter":
					require.Equal(t, queue.Requeue, got.Disposition)
					require.ErrorIs(t, got.Reason, errOwn)
				default:
					require.Equal(t, c.want, got.Disposition)
				}
			}
		})
	}
}

func checkSpent(t *testing.T, got gentasktest.Result, attempt int, reason error) {
	t.Helper()
	require.Equal(t, queue.DeadLetter, got.Disposition)
	require.Zero(t, got.After)
	var spent *gentask.AttemptsError
	require.ErrorAs(t, got.Reason, &spent)
	require.Equal(t, gentask.AttemptsError{Attempt: attempt, Max: 3, Err: reason}, *spent)
}

func TestMaxAttempts_NeverEnds(t *testing.T) {
	got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { return errOwn }),
		gentasktest.Attempt(gentasktest.JSON(t, mail{}), 1_000_000), gentask.Config{Retry: gentask.Retry{MaxAttempts: -1}})
	require.Equal(t, queue.Requeue, got.Disposition)
	require.LessOrEqual(t, got.After, 6*time.Hour)
}

// TestExtend leaves the task running, as often as HandleResult wants; a value of it counts.
func TestExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []time.Duration
		got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
			OnRun: func(context.Context, mail) (int, error) { time.Sleep(10 * time.Second); return 1, nil },
			OnResult: func(job gentask.Job[mail], o task.Outcome[int]) gentask.Decision {
				heard = append(heard, o.RunTime)
				if o.Status == task.Timeout {
					return gentask.Extend(4 * time.Second)
				}
				return gentask.DefaultDecision(job, o)
			},
		}), gentasktest.JSON(t, mail{}), gentask.Config{Timeout: time.Second})
		require.Equal(t, []time.Duration{time.Second, 5 * time.Second, 9 * time.Second, 10 * time.Second}, heard)
		require.Equal(t, queue.Ack, got.Disposition)
		require.Equal(t, task.OK, got.Outcome)
		require.Equal(t, 10*time.Second, got.RunTime)
	})
}

// TestTimeout_Cancelled: a job that is cancelled before its time is over, or while HandleResult
// decides about that, ends as cancelled: the decision about the timeout does not count.
func TestTimeout_Cancelled(t *testing.T) {
	for _, cancels := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
				OnRun: func(ctx context.Context, _ mail) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) },
				OnResult: func(job gentask.Job[mail], o task.Outcome[int]) gentask.Decision {
					if o.Status != task.Timeout {
						return gentask.DefaultDecision(job, o)
					}
					if cancels {
						job.Cancel()
					}
					return gentask.Requeue(time.Minute)
				},
			}), gentasktest.JSON(t, mail{}), gentask.Config{Timeout: time.Second})
			require.Equal(t, map[bool]queue.Disposition{false: queue.Requeue, true: queue.DeadLetter}[cancels], got.Disposition)
		})
	}
}

// TestExtend_MakesSenseAfterATimeoutOnly; for no time it is no decision either.
func TestExtend_MakesSenseAfterATimeoutOnly(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(context.Context, mail) (int, error)
		wait time.Duration
		want queue.Disposition
	}{
		"ok":          {func(context.Context, mail) (int, error) { return 1, nil }, time.Second, queue.Ack},
		"exit":        {func(context.Context, mail) (int, error) { return 0, errOwn }, time.Second, queue.Requeue},
		"for no time": {func(ctx context.Context, _ mail) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, 0, queue.Requeue},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
					OnRun:    c.run,
					OnResult: func(gentask.Job[mail], task.Outcome[int]) gentask.Decision { return gentask.Extend(c.wait) },
				}), gentasktest.JSON(t, mail{}), gentask.Config{})
				require.Equal(t, c.want, got.Disposition)
			})
		})
	}
}

// TestReleaseCostsNoAttempt, however often.
func TestReleaseCostsNoAttempt(t *testing.T) {
	n := 0
	all := gentasktest.Finish(t, gentask.Work(&rig.Worker[mail, int]{
		OnRun: func(context.Context, mail) (int, error) { return 1, nil },
		OnResult: func(job gentask.Job[mail], _ task.Outcome[int]) gentask.Decision {
			require.Equal(t, 1, job.Attempt())
			if n++; n < 10 {
				return gentask.Release()
			}
			return gentask.Ack()
		},
	}), gentasktest.JSON(t, mail{}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
	require.Len(t, all, 10)
}
