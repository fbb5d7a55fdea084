package gentask_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

const traced = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// records returns the lines of a JSON log.
func records(t *testing.T, log *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		one := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		all = append(all, one)
	}
	return all
}

// TestLogger: what a job logs has the attributes of the library's own records about it, in all
// levels of the handler, and the trace as soon as it is known.
func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		q := memory.New(memory.Config{Name: "emails"})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "7", Body: []byte("1")}))
		c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ int) error {
			gentask.Logger(ctx).Debug("before", "to", "anna")
			job, _ := gentask.FromContext(ctx)
			job.SetTrace(traced)
			gentask.Logger(ctx).Info("after")
			require.Same(t, gentask.Logger(ctx), job.Logger(), "made once")
			return errors.New("down")
		}), gentask.Config{
			Name: "worker", Retry: gentask.Retry{MaxAttempts: 1},
			Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		require.NoError(t, err)
		require.NoError(t, c.Start())
		require.NoError(t, q.WaitEmpty(t.Context()))
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		seen := map[string]map[string]any{}
		for _, r := range records(t, &log) {
			msg, _ := r["msg"].(string)
			if r["lib"] != nil || strings.HasPrefix(msg, "actor") {
				continue // of the actor system
			}
			require.Equal(t, "worker", r["consumer"], msg)
			require.Equal(t, "emails", r["queue"], msg)
			require.NotEmpty(t, r["node"], msg)
			seen[msg] = r
		}
		for msg, trace := range map[string]any{
			"before": nil, "after": "0af7651916cd43dd8448eb211c80319c",
			"gentask: job dead-lettered": "0af7651916cd43dd8448eb211c80319c",
		} {
			require.Contains(t, seen, msg)
			require.Equal(t, "7", seen[msg]["job.id"])
			require.InDelta(t, 1, seen[msg]["attempt"], 0)
			require.Equal(t, trace, seen[msg]["trace_id"], msg)
		}
		require.Equal(t, "anna", seen["before"]["to"])
		require.NotContains(t, seen["gentask: job dead-lettered"], "stack", "its error has none")
	})
	require.Same(t, slog.Default(), gentask.Logger(t.Context()), "outside of a job")
}

// letterOf returns the dead letter of a job that fails.
func letterOf(t *testing.T, f func(context.Context, int) error, logs bool) (letter queue.Letter) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte("1")}))
		c, err := gentask.New(q, gentask.Handle(f), gentask.Config{
			LogsInLetters: logs, Retry: gentask.Retry{MaxAttempts: 3}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		require.NoError(t, c.Start())
		require.NoError(t, q.WaitEmpty(t.Context()))
		_, err = c.Stop(t.Context())
		require.NoError(t, err)
		for l, err := range q.Letters().All(t.Context(), queue.LetterFilter{}) {
			require.NoError(t, err)
			letter = l
		}
	})
	return letter
}

// TestLogsInLetters: the last lines of the attempt that was given up travel with its letter: those
// at Info or above, whole, valid UTF-8, at most 8 KiB. Off, there are none.
func TestLogsInLetters(t *testing.T) {
	fail := func(ctx context.Context, _ int) error {
		log := gentask.Logger(ctx)
		log.Debug("too low")
		log.Info("first")
		log.With("to", "Zürich").WithGroup("smtp").Warn("bad \xff", "code", 550)
		return errors.New("down")
	}
	long := func(ctx context.Context, _ int) error {
		for i := range 1000 {
			gentask.Logger(ctx).Info("ü", "n", i)
		}
		gentask.Logger(ctx).Info("long", "text", strings.Repeat("ü", queue.MaxLog))
		gentask.Logger(ctx).Info("last")
		return errors.New("down")
	}
	run := func(f func(context.Context, int) error, on bool) string { return letterOf(t, f, on).Log }
	require.Empty(t, run(fail, false))
	text := run(fail, true)
	require.Regexp(t, `^time=\S+ level=INFO msg=first\ntime=\S+ level=WARN msg="bad \\xff" to=Zürich smtp.code=550$`, text)
	text = run(long, true)
	require.LessOrEqual(t, len(text), queue.MaxLog)
	require.True(t, utf8.ValidString(text))
	require.Regexp(t, `msg=last$`, text)
	require.Regexp(t, `^time=`, text, "whole lines")
}

// TestLogsInLetters_OfTheLastAttempt only, and not in what is tried again.
func TestLogsInLetters_OfTheLastAttempt(t *testing.T) {
	letter := letterOf(t, func(ctx context.Context, _ int) error {
		job, _ := gentask.FromContext(ctx)
		require.NotContains(t, job.Headers(), queue.HeaderLog)
		gentask.Logger(ctx).Info("try", "number", job.Attempt())
		return errors.New("down")
	}, true)
	require.Contains(t, letter.Log, "number=3")
	require.NotContains(t, letter.Log, "number=2")
}

// bomb is a value that panics when it is written.
type bomb struct{}

func (bomb) LogValue() slog.Value { panic("bomb") }

// TestLogsInLetters_OfValuesThatPanic: such a value costs its text, and not the job.
func TestLogsInLetters_OfValuesThatPanic(t *testing.T) {
	letter := letterOf(t, func(ctx context.Context, _ int) error {
		gentask.Logger(ctx).Info("before", "value", bomb{})
		return gentask.DeadLetter(errors.New("on purpose"))
	}, true)
	require.Contains(t, letter.Reason, "on purpose")
	require.Contains(t, letter.Log, "msg=before")
}
