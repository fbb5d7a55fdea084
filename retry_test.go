package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
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

// codeError is an error that carries something.
type codeError struct{ code int }

func (e *codeError) Error() string { return fmt.Sprintf("code %d", e.code) }

var errGone = errors.New("gone")

// hourly waits as many hours as there were attempts.
func hourly(attempt int, _ error) time.Duration { return time.Duration(attempt) * time.Hour }

// hotel is a set of rules with one of each kind.
func hotel() gentask.Retry {
	return gentask.Retry{
		Rules: []gentask.Rule{
			{When: gentask.WhenErrorIs(errGone), Do: gentask.Ack()},
			{When: gentask.WhenPanic, MaxAttempts: 2, Backoff: hourly},
			{When: gentask.WhenTimeout, Backoff: gentask.ConstantBackoff(7 * time.Minute)},
			{When: gentask.WhenGoexit, Do: gentask.Release()},
			{When: func(_ task.Status, reason error) bool {
				var e *codeError
				return errors.As(reason, &e) && e.code == 429
			}, Do: gentask.Requeue(time.Minute)},
			{When: gentask.WhenErrorAs[*codeError](), Do: gentask.DeadLetter(nil)},
			{When: gentask.WhenFailed, Backoff: hourly},
		},
	}
}

// TestRetryRules: the first that matches decides, for Handle and for a HandleResult that decides
// nothing. The default table decides what no rule matches, but for the last rule.
func TestRetryRules(t *testing.T) {
	for name, c := range map[string]struct {
		run     func(context.Context) error
		attempt int
		want    queue.Disposition
		after   time.Duration
	}{
		"ok":                    {func(context.Context) error { return nil }, 1, queue.Ack, 0},
		"WhenErrorIs":           {func(context.Context) error { return fmt.Errorf("room: %w", errGone) }, 1, queue.Ack, 0},
		"WhenErrorAs":           {func(context.Context) error { return fmt.Errorf("room: %w", &codeError{404}) }, 1, queue.DeadLetter, 0},
		"the first":             {func(context.Context) error { return &codeError{429} }, 1, queue.Requeue, time.Minute},
		"panic":                 {func(context.Context) error { panic("x") }, 1, queue.Requeue, time.Hour},
		"panic, once too often": {func(context.Context) error { panic("x") }, 2, queue.DeadLetter, 0},
		"Goexit":                {func(context.Context) error { runtime.Goexit(); return nil }, 1, queue.Release, 0},
		"timeout":               {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 3, queue.Requeue, 7 * time.Minute},
		"no rule":               {func(context.Context) error { return errOwn }, 3, queue.Requeue, 3 * time.Hour},
		"a decision":            {func(context.Context) error { return gentask.DeadLetter(errGone) }, 1, queue.DeadLetter, 0},
	} {
		for kind, behavior := range map[string]gentask.Behavior{
			"Handle": gentask.Handle(func(ctx context.Context, _ mail) error { return c.run(ctx) }),
			"Work": gentask.Work(&rig.Worker[mail, int]{
				OnRun:    func(ctx context.Context, _ mail) (int, error) { return 0, c.run(ctx) },
				OnResult: func(gentask.Job[mail], task.Outcome[int]) gentask.Decision { return gentask.Decision{} },
			}),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := gentasktest.Run(t, behavior, gentasktest.Attempt(gentasktest.JSON(t, mail{}), c.attempt), gentask.Config{Retry: hotel()})
					require.Equal(t, c.want, got.Disposition, "%v", got.Reason)
					require.Equal(t, c.after, got.After)
				})
			})
		}
	}
}

// TestRetryRules_MaxAttempts: the reason has the number of attempts.
func TestRetryRules_MaxAttempts(t *testing.T) {
	endless := hotel()
	endless.MaxAttempts = -1
	got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { panic(errOwn) }),
		gentasktest.Attempt(gentasktest.JSON(t, mail{}), 5), gentask.Config{Retry: endless})
	var spent *gentask.AttemptsError
	require.ErrorAs(t, got.Reason, &spent)
	require.Equal(t, 5, spent.Attempt)
	require.Equal(t, 2, spent.Max)
	require.ErrorIs(t, got.Reason, errOwn)
	require.NotEmpty(t, actor.Stack(got.Reason))
}

// TestRetryRules_OnWhatNeverRan: a payload that can't be decoded is a failure that a rule can name,
// but that WhenFailed doesn't.
func TestRetryRules_OnWhatNeverRan(t *testing.T) {
	for name, c := range map[string]struct {
		when gentask.Match
		want queue.Disposition
	}{
		"named":      {gentask.WhenErrorAs[*gentask.DecodeError](), queue.Requeue},
		"WhenFailed": {gentask.WhenFailed, queue.DeadLetter},
		"WhenPanic":  {gentask.WhenPanic, queue.DeadLetter},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, behavior := range map[string]gentask.Behavior{
				"Handle": gentask.Handle(func(context.Context, int) error { return nil }),
				"Actor":  gentask.Actor(func(gentask.ActorJob[int]) *actor.Props { return nil }),
			} {
				cfg := gentask.Config{Retry: gentask.Retry{Rules: []gentask.Rule{{When: c.when}}}}
				cfg.Decode = func(*queue.Message, any) error { panic("no") }
				got := gentasktest.Run(t, behavior, gentasktest.JSON(t, "?"), cfg)
				require.Equal(t, c.want, got.Disposition, kind)
			}
		})
	}
}

// TestJobBackoff is that of the rule for how the job ended, and of no rule while it runs.
func TestJobBackoff(t *testing.T) {
	for reason, want := range map[error]time.Duration{nil: 1, errOwn: 1, errGone: time.Second} {
		cfg := gentask.Config{Retry: gentask.Retry{
			Backoff: gentask.Backoff{Base: 1, Max: 1},
			Rules:   []gentask.Rule{{When: gentask.WhenErrorIs(errGone), Backoff: gentask.ConstantBackoff(time.Second)}},
		}}
		var running time.Duration
		got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
			OnRun: func(ctx context.Context, _ mail) (int, error) {
				job, _ := gentask.FromContext(ctx)
				running = job.Backoff()
				return 0, reason
			},
			OnResult: func(job gentask.Job[mail], _ task.Outcome[int]) gentask.Decision {
				return gentask.Requeue(job.Backoff())
			},
		}), gentasktest.JSON(t, mail{}), cfg)
		if want == time.Second {
			require.Equal(t, want, got.After)
		} else {
			require.LessOrEqual(t, got.After, want)
		}
		require.LessOrEqual(t, running, time.Duration(1))
	}
}

// TestJobBackoff_AfterATimeout is that of the rule for timeouts, while the task still runs.
func TestJobBackoff_AfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
			OnRun: func(ctx context.Context, _ mail) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
			OnResult: func(job gentask.Job[mail], _ task.Outcome[int]) gentask.Decision {
				return gentask.Requeue(job.Backoff())
			},
		}), gentasktest.JSON(t, mail{}), gentask.Config{Retry: hotel()})
		require.Equal(t, 7*time.Minute, got.After)
	})
}

// TestExponentialBackoff keeps to its bounds, however many attempts there were.
func TestExponentialBackoff(t *testing.T) {
	backoff := gentask.ExponentialBackoff(time.Second, time.Minute)
	for attempt, most := range map[int]time.Duration{-1: time.Second, 1: time.Second, 3: 4 * time.Second, 7: time.Minute, math.MaxInt: time.Minute} {
		for range 100 {
			require.LessOrEqual(t, backoff(attempt, nil), most)
			require.GreaterOrEqual(t, backoff(attempt, nil), time.Duration(0))
		}
	}
}

// TestPauseConsumer: the job is given back, nothing else is started, and the event reports why;
// Resume goes on where it was.
func TestPauseConsumer(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		cfg := gentask.Config{Concurrency: 1, Retry: gentask.Retry{MaxAttempts: 1}}
		cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenErrorIs(errGone), Do: gentask.PauseConsumer()}}
		r.Publish(10)
		c := r.Start(r.Handle(func(context.Context, string) error {
			if r.Runs.Total() == 3 {
				return errGone
			}
			return nil
		}), cfg)
		r.Eventually("it is paused", func() bool { return len(r.Events(gentask.EventPaused)) == 1 })
		time.Sleep(time.Minute)
		require.Equal(r, gentask.Paused, c.Health().State)
		require.ErrorIs(r, r.Events(gentask.EventPaused)[0].Reason, errGone)
		require.Equal(r, 3, r.Runs.Total())
		require.Equal(r, 8, r.Memory.Stats().Ready)
		require.NoError(r, c.Resume(r.Context()))
		r.Finish()
		require.Equal(r, 10, r.Memory.Stats().Acked)
		require.Equal(r, 11, r.Runs.Total())
	})
}

func TestRetry_IsChecked(t *testing.T) {
	match := gentask.WhenErrorIs(errGone)
	for want, rule := range map[string]gentask.Rule{
		"Retry.Rules[1].When is nil; want WhenErrorIs":                  {Do: gentask.Ack()},
		"Retry.Rules[1].Do is extend 1s; want a decision that settles":  {When: match, Do: gentask.Extend(time.Second)},
		"Retry.Rules[1].Do is ack; want no Backoff":                     {When: match, Do: gentask.Ack(), Backoff: gentask.ConstantBackoff(0)},
		"Retry.Rules[1].MaxAttempts is 3; want 0, for there is nothing": {When: match, Do: gentask.Release(), MaxAttempts: 3},
		"Retry.Rules[1].MaxAttempts is -2; want 0":                      {When: match, MaxAttempts: -2},
	} {
		cfg := gentask.Config{Retry: gentask.Retry{Rules: []gentask.Rule{{When: match}, rule}}}
		_, err := gentask.New(outbox(), gentask.Handle(func(context.Context, int) error { return nil }), cfg)
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}
