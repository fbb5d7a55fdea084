package scenario_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// journal is a log as a JSON handler writes it.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

// of returns the lines with a message.
func (j *journal) of(t *testing.T, msg string) (lines []map[string]any) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		if fields["msg"] == msg {
			lines = append(lines, fields)
		}
	}
	return lines
}

const (
	deadLettered = "gentask: job dead-lettered"
	triedAgain   = "gentask: job failed, will be tried again"
	noSession    = "gentask: no session"
)

// TestSilence_FailuresAreLogged, by default: each attempt that failed at Info, each dead letter
// as an error, with job.id, attempt, error, and the stack of a panic. Successes are not logged.
func TestSilence_FailuresAreLogged(t *testing.T) {
	for reason, run := range map[string]func() error{
		"refused":        func() error { return errors.New("refused") },
		"bug of the job": func() error { panic("bug of the job") },
		"runtime.Goexit": func() error { runtime.Goexit(); return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			j := &journal{}
			before := slog.Default()
			slog.SetDefault(j.logger())
			defer slog.SetDefault(before)
			q := filled(t, 2)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.NoError(t, gentask.Run(ctx, q, gentask.Handle(func(ctx context.Context, n int) error {
				if n == 2 {
					return nil
				}
				return run()
			}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}}))
			warnings, letters := j.of(t, triedAgain), j.of(t, deadLettered)
			require.Len(t, warnings, 2)
			require.Len(t, letters, 1)
			for i, line := range append(warnings, letters...) {
				require.Equal(t, "1", line["job.id"])
				require.InDelta(t, i+1, line["attempt"], 0)
				require.Contains(t, line["error"], reason)
				require.Equal(t, map[bool]string{true: "ERROR", false: "INFO"}[i == 2], line["level"])
				if reason != "refused" {
					require.Contains(t, line["stack"], "TestSilence_FailuresAreLogged")
				}
			}
			time.Sleep(2 * time.Second)
		})
	}
}

// TestSilence_EveryDeadLetterIsLogged, for every way to decide so.
func TestSilence_EveryDeadLetterIsLogged(t *testing.T) {
	for name, behavior := range map[string]gentask.Behavior{
		"undecodable": gentask.Handle(func(context.Context, int) error { return nil }),
		"decided": gentask.Handle(func(ctx context.Context, _ []byte) error {
			job, _ := gentask.FromContext(ctx)
			return job.Settle(gentask.DeadLetter(errors.New("by the job")))
		}),
		"unknown kind": gentask.Mux("kind", map[string]gentask.Behavior{"a": gentask.Handle(func(context.Context, int) error { return nil })}),
	} {
		j := &journal{}
		got := gentasktest.Run(t, behavior, queue.Message{ID: "x", Body: []byte("no number")}, gentask.Config{Logger: j.logger()})
		if got.Disposition == queue.DeadLetter {
			require.Len(t, j.of(t, deadLettered), 1, name)
		}
		require.NotEmpty(t, got.Disposition, name)
	}
}

// TestLogRuns_SeesPanics and exits, and lets them go on as they were.
func TestLogRuns_SeesPanics(t *testing.T) {
	for want, crash := range map[string]func(){"panic: bug": func() { panic("bug") }, "runtime.Goexit": runtime.Goexit} {
		j := &journal{}
		behavior := gentask.Handle(func(context.Context, []byte) error { crash(); return nil })
		got := gentasktest.Run(t, behavior, queue.Message{ID: "x"},
			gentask.Config{Policy: gentask.Policy{Middleware: []gentask.Middleware{gentask.LogRuns(j.logger())}}})
		require.Equal(t, queue.Requeue, got.Disposition)
		require.ErrorContains(t, got.Reason, want)
		lines := j.of(t, "job did not return")
		require.Len(t, lines, 1)
		require.Equal(t, "WARN", lines[0]["level"])
		require.Contains(t, lines[0]["error"], want)
		stack := actor.Stack(got.Reason)
		require.Contains(t, stack, "TestLogRuns_SeesPanics")
		require.Contains(t, lines[0]["stack"], "TestLogRuns_SeesPanics")
		if want == "panic: bug" {
			require.Equal(t, stack, lines[0]["stack"], "the first")
			plain := gentasktest.Run(t, behavior, queue.Message{}, gentask.Config{})
			require.Equal(t, queue.Fingerprint(actor.Stack(plain.Reason)), queue.Fingerprint(stack), "the same place")
		}
	}
}

// TestSilence_NoSessionEver: while no session can be opened each attempt is an error in the log,
// and Run reports why when its context ends.
func TestSilence_NoSessionEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, q := &journal{}, memory.New(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(-1)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := gentask.Run(ctx, q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{Logger: j.logger()})
		require.ErrorIs(t, err, gentask.ErrNoSession)
		require.ErrorIs(t, err, memory.ErrRefused)
		lines := j.of(t, noSession)
		require.Greater(t, len(lines), 100)
		require.Less(t, len(lines), 1000, "not too often")
		for _, line := range lines {
			require.Equal(t, "ERROR", line["level"])
			require.Contains(t, line["error"], memory.ErrRefused.Error())
		}
		time.Sleep(2 * time.Second)
	})
}

// slowToOpen is a queue whose sessions open after a while.
type slowToOpen struct {
	queue.Source
	after time.Duration
}

func (s slowToOpen) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	select {
	case <-time.After(s.after):
		return s.Source.Open(ctx, opts)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestSilence_StoppedAtOnce: a consumer that is stopped before its first session was there reports
// no failure, unless the broker was slow.
func TestSilence_StoppedAtOnce(t *testing.T) {
	for after, want := range map[time.Duration]error{
		0: nil, 100 * time.Millisecond: nil, 999 * time.Millisecond: nil,
		time.Second: gentask.ErrNoSession, 3 * time.Second: gentask.ErrNoSession,
	} {
		synctest.Test(t, func(t *testing.T) {
			j := &journal{}
			q := slowToOpen{memory.New(memory.Config{}), 10 * time.Second}
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			idle := gentask.Handle(func(context.Context, int) error { return nil })
			err := gentask.Run(ctx, q, idle, gentask.Config{Logger: j.logger()})
			require.ErrorIs(t, err, want)
			if want == nil {
				require.Empty(t, j.of(t, noSession))
				return
			}
			require.ErrorIs(t, err, context.Canceled)
			require.Len(t, j.of(t, noSession), 1)
		})
	}
}

// TestSilence_ASessionOnce: who was in once is no mistake. Run drains and returns nil, and what is
// lost then is a warning.
func TestSilence_ASessionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, q := &journal{}, memory.New(memory.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		time.AfterFunc(time.Minute, func() {
			q.SetFaults(memory.Faults{RefuseOpen: memory.Times(-1)})
			q.LoseSessions()
		})
		require.NoError(t, gentask.Run(ctx, q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{Logger: j.logger()}))
		require.NotEmpty(t, j.of(t, noSession))
		for _, line := range j.of(t, noSession) {
			require.Equal(t, "WARN", line["level"])
		}
		time.Sleep(2 * time.Second)
	})
}

// refusingSource fails to open, in one way.
type refusingSource struct{ err error }

func (s refusingSource) Open(context.Context, queue.Options) (queue.Session, error) {
	return nil, s.err
}

// TestFailFast gives up when the broker refuses, and not when it isn't there.
func TestFailFast(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		fast bool
	}{
		"refused":     {errors.New("403 ACCESS_REFUSED"), true},
		"config":      {queue.ErrConfig, true},
		"unavailable": {queue.ErrUnavailable, false},
		"dial":        {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
		"cut off":     {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, false},
		"timeout":     {context.DeadlineExceeded, false},
		"closed":      {net.ErrClosed, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				begin := time.Now()
				cfg := gentask.Config{FailFast: true, Logger: silent}
				err := gentask.Run(ctx, refusingSource{c.err}, gentask.Handle(func(context.Context, int) error { return nil }), cfg)
				require.ErrorIs(t, err, c.err)
				require.Equal(t, c.fast, time.Since(begin) < time.Minute)
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// TestSilence_AForeignStrategy: a strategy of protoactor-go's own restarts all children because one
// of them panicked. The consumer ends without an order, and so it reports why.
func TestSilence_AForeignStrategy(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.GaveUp = true
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		stop := r.AllForOne(c.Props(), time.Second)
		r.Eventually("it ends", func() bool { return c.Err() != nil })
		require.ErrorIs(r, c.Err(), actor.ErrRestart)
		require.ErrorIs(r, c.Health().Error, actor.ErrRestart)
		require.Len(r, r.Events(gentask.EventGaveUp), 1)
		require.Len(r, r.Logged(), 1)
		require.Contains(r, r.Logged()[0], "giving up")
		stop()
	})
}

// TestSilence_AnOrderlyEnd is none: the parent stops its child.
func TestSilence_AnOrderlyEnd(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		pid := actor.SpawnRoot(r.System, c.Props(), "consumer")
		r.Eventually("it consumes", func() bool { return c.Health().State == gentask.Consuming })
		r.System.Root.Stop(pid)
		<-c.Done()
		require.NoError(r, c.Err())
		require.Empty(r, r.Logged())
	})
}

// TestHorizon: by default a message is tried for more than a day, with any jitter, and for less
// than three.
func TestHorizon(t *testing.T) {
	down := gentask.Handle(func(context.Context, []byte) error { return errors.New("down") })
	var all time.Duration
	for attempt := 1; attempt < 25; attempt++ {
		got := gentasktest.Run(t, down, gentasktest.Attempt(queue.Message{}, attempt), gentask.Config{})
		require.Equal(t, queue.Requeue, got.Disposition)
		require.GreaterOrEqual(t, got.After, min(time.Second<<(attempt-1), 6*time.Hour)/2, "attempt %d", attempt)
		all += got.After
	}
	require.Greater(t, all, 31*time.Hour)
	require.Less(t, all, 64*time.Hour)
	last := gentasktest.Run(t, down, gentasktest.Attempt(queue.Message{}, 25), gentask.Config{})
	require.Equal(t, queue.DeadLetter, last.Disposition)
}
