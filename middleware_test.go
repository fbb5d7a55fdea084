package gentask_test

import (
	"bytes"
	"context"
	"log/slog"
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

// around is a middleware that does f before the job.
func around(f func(ctx context.Context, job gentask.Job[any]) error) gentask.Middleware {
	return func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (any, error) {
			if err := f(ctx, job); err != nil {
				return nil, err
			}
			return next(ctx, job)
		}
	}
}

func withMiddleware(all ...gentask.Middleware) gentask.Config {
	return gentask.Config{Policy: gentask.Policy{Middleware: all}, Timeout: time.Second}
}

// TestMiddleware is around each run, in the order written, for every kind of behaviour, and made
// once.
func TestMiddleware(t *testing.T) {
	var order []string
	made := 0
	named := func(name string) gentask.Middleware {
		return func(next gentask.RunFunc) gentask.RunFunc {
			made++
			return func(ctx context.Context, job gentask.Job[any]) (any, error) {
				require.Equal(t, mail{To: "anna"}, job.Payload())
				order = append(order, name)
				defer func() { order = append(order, "/"+name) }()
				return next(context.WithValue(ctx, lastKey{}, name), job)
			}
		}
	}
	run := func(ctx context.Context) (any, error) {
		require.Equal(t, "b", ctx.Value(lastKey{}))
		order = append(order, "run")
		return 7, nil
	}
	for name, behavior := range map[string]gentask.Behavior{
		"Handle": gentask.Handle(func(ctx context.Context, _ mail) error { _, err := run(ctx); return err }),
		"Work": gentask.Work(&rig.Worker[mail, int]{
			OnRun: func(ctx context.Context, _ mail) (int, error) { v, err := run(ctx); return v.(int), err },
			OnResult: func(_ gentask.Job[mail], o task.Outcome[int]) gentask.Decision {
				require.Equal(t, 7, o.Value)
				return gentask.Ack()
			},
		}),
		"Actor": gentask.Actor(func(job gentask.ActorJob[mail]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					_ = job.Run(ctx, run)
				case *task.Outcome[any]:
					_ = job.Settle(gentask.Ack())
					actor.Exit(ctx, nil)
				}
			})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			order, made = nil, 0
			got := gentasktest.Run(t, behavior, gentasktest.JSON(t, mail{To: "anna"}), withMiddleware(named("a"), named("b")))
			require.Equal(t, queue.Ack, got.Disposition)
			require.Equal(t, []string{"a", "b", "run", "/b", "/a"}, order)
			require.Equal(t, 2, made)
		})
	}
}

type lastKey struct{}

// TestMiddleware_ThatLosesItsContext is told so, instead of running a job that can't be stopped.
func TestMiddleware_ThatLosesItsContext(t *testing.T) {
	got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { t.Error("run"); return nil }), gentasktest.JSON(t, mail{}),
		withMiddleware(func(next gentask.RunFunc) gentask.RunFunc {
			return func(_ context.Context, job gentask.Job[any]) (any, error) { return next(t.Context(), job) }
		}))
	require.ErrorContains(t, got.Reason, "does not derive from its own")
}

func TestMiddleware_IsChecked(t *testing.T) {
	for want, m := range map[string]gentask.Middleware{
		"Policy.Middleware[1] is nil; want a function":      nil,
		"Policy.Middleware[1] returned nil; want a RunFunc": func(gentask.RunFunc) gentask.RunFunc { return nil },
	} {
		_, err := gentask.New(outbox(), gentask.Handle(func(context.Context, int) error { return nil }),
			withMiddleware(around(nil), m))
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}

func TestLogRuns(t *testing.T) {
	for want, err := range map[string]error{
		`level=INFO msg="job done" consumer=`:   nil,
		`level=INFO msg="job failed" consumer=`: errOwn,
	} {
		var log bytes.Buffer
		gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { return err }), gentasktest.JSON(t, mail{}),
			withMiddleware(gentask.LogRuns(slog.New(slog.NewTextHandler(&log, nil)))))
		require.Contains(t, log.String(), want)
		require.Contains(t, log.String(), "attempt=1")
	}
}

// expires runs a job that works for some time within a middleware that knows its deadline.
func expires(
	t *testing.T, deadline gentask.Middleware, msg queue.Message, work time.Duration, want queue.Disposition, runs bool,
) {
	t.Helper()
	ran := false
	cfg := withMiddleware(deadline)
	cfg.Timeout = time.Minute
	got := gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ mail) error {
		ran = true
		return rig.Pause(ctx, work)
	}), msg, cfg)
	require.Equal(t, want, got.Disposition)
	require.Equal(t, runs, ran)
	if want == queue.DeadLetter {
		require.ErrorIs(t, got.Reason, gentask.ErrExpired)
	}
}

// TestDeadlineFrom: what is too late is dead-lettered, whether it was not run at all or cancelled;
// and only that. A header that can't be read puts the message off, for a node that can read it.
func TestDeadlineFrom(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		work   time.Duration
		want   queue.Disposition
		ran    bool
	}{
		"none":       {"", 2 * time.Second, queue.Ack, true},
		"in time":    {"3s", 2 * time.Second, queue.Ack, true},
		"too long":   {"1s", 2 * time.Second, queue.DeadLetter, true},
		"over":       {"-1s", 0, queue.DeadLetter, false},
		"not a time": {"soon", 0, queue.Release, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				msg := gentasktest.JSON(t, mail{})
				if c.header != "" {
					msg.Headers = map[string]string{"expires": c.header}
				}
				if d, err := time.ParseDuration(c.header); err == nil {
					msg.Headers["expires"] = time.Now().Add(d).Format(time.RFC3339)
				}
				expires(t, gentask.DeadlineFrom("expires"), msg, c.work, c.want, c.ran)
			})
		})
	}
}

// TestDeadlineFrom_OutlivesTheTimeout: a decision to wait moves the timeout, and not the deadline
// of the message.
func TestDeadlineFrom_OutlivesTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		msg := gentasktest.JSON(t, mail{})
		msg.Headers = map[string]string{"expires": begin.Add(5 * time.Second).Format(time.RFC3339)}
		got := gentasktest.Run(t, gentask.Work(&rig.Worker[mail, int]{
			OnRun: func(ctx context.Context, _ mail) (int, error) {
				at, _ := ctx.Deadline()
				require.Equal(t, time.Second, at.Sub(begin), "its timeout comes first")
				derived, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				<-derived.Done()
				require.Equal(t, 5*time.Second, time.Since(begin).Truncate(time.Second))
				require.Equal(t, context.DeadlineExceeded, derived.Err())
				return 0, derived.Err()
			},
			OnResult: func(job gentask.Job[mail], o task.Outcome[int]) gentask.Decision {
				if o.Status == task.Timeout {
					return gentask.Extend(time.Minute)
				}
				return gentask.DefaultDecision(job, o)
			},
		}), msg, withMiddleware(gentask.DeadlineFrom("expires")))
		require.Equal(t, queue.DeadLetter, got.Disposition)
		require.ErrorIs(t, got.Reason, gentask.ErrExpired)
	})
}

// TestTheContextTellsATimeout: a job can see how much time it has, and that a timeout has ended it.
func TestTheContextTellsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		type key struct{}
		var seen []error
		got := gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ mail) error {
			at, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Minute, at.Sub(begin))
			derived, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
			defer cancel()
			<-derived.Done()
			seen = []error{ctx.Err(), derived.Err(), context.Cause(ctx), context.Cause(derived)}
			return ctx.Err()
		}), gentasktest.JSON(t, mail{}), gentask.Config{Timeout: time.Minute})
		require.Equal(t, []error{context.DeadlineExceeded, context.DeadlineExceeded, task.ErrTimeout, task.ErrTimeout}, seen)
		require.Equal(t, task.Timeout, got.Outcome)
		require.ErrorIs(t, got.Reason, task.ErrTimeout)
		require.ErrorIs(t, got.Reason, context.DeadlineExceeded)
	})
}
