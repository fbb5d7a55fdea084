package isolate_test

import (
	"bytes"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// ends runs one message, and returns how it has ended.
func ends(t *testing.T, b gentask.Behavior, cfg gentask.Config, m queue.Message) gentask.Event {
	t.Helper()
	q := memory.New(memory.Config{})
	c := start(t, q, b, cfg)
	done := make(chan gentask.Event, 10)
	c.Subscribe(func(e gentask.Event) { done <- e }, gentask.EventDone)
	require.NoError(t, q.Publish(t.Context(), m))
	return <-done
}

// TestServe: workers in Python and in Node.js do jobs, log, report, fail, decide, die and stop.
func TestServe(t *testing.T) {
	for name, c := range map[string]isolate.Command{
		"Python":  {Path: "python3", Args: []string{"../examples/workers/worker.py"}},
		"Node.js": {Path: "node", Args: []string{"../examples/workers/worker.mjs"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exec.LookPath(c.Path)
			require.NoError(t, err, "`make test` installs it")
			reports := make(chan isolate.Report, 10)
			b := c.Serve(isolate.Config{Children: 1, OnProgress: func(r isolate.Report) { reports <- r }})
			var text bytes.Buffer
			cfg := gentask.Config{Logger: slog.New(slog.NewTextHandler(&text, nil)), Timeout: 10 * time.Second}
			end := func(body string) gentask.Event {
				return ends(t, b, cfg, queue.Message{ID: "id", Body: []byte(body)})
			}
			e := end("three little words")
			require.NoError(t, e.Reason)
			require.Equal(t, queue.Ack, e.Disposition)
			require.JSONEq(t, `{"words":3}`, string((<-reports).Data))
			require.Contains(t, text.String(), "msg=counting")
			require.Contains(t, text.String(), "words=3")

			var remote *isolate.Error
			require.ErrorAs(t, end("fail").Reason, &remote)
			require.Contains(t, remote.Text, "asked to fail")
			require.Contains(t, []string{"ValueError", "RangeError"}, remote.Type)
			require.Contains(t, remote.Stack(), "handle")

			e = end("")
			require.Equal(t, queue.DeadLetter, e.Disposition)
			require.ErrorContains(t, e.Reason, "no words")

			var crash *isolate.CrashError
			require.ErrorAs(t, end("die").Reason, &crash)
			require.Equal(t, 9, crash.ExitCode)

			cfg.Timeout, cfg.Retry.MaxAttempts = time.Second, 1
			require.ErrorContains(t, end("wait").Reason, "timeout")
		})
	}
	requireNoChildren(t)
}

// TestOnce: a program for each job, whose exit code decides.
func TestOnce(t *testing.T) {
	files := openFiles(t)
	t.Run("codes", func(t *testing.T) {
		b := shell(`[ "$(cat)" = "the body" ] && [ "$GENTASK_ID $GENTASK_ATTEMPT" = "id 1" ] && exit $GENTASK_HEADER_X_CODE`)
		for code, want := range map[string]queue.Disposition{
			"0": queue.Ack, "65": queue.DeadLetter, "75": queue.Requeue, "1": queue.Requeue,
		} {
			e := ends(t, b, gentask.Config{}, queue.Message{
				ID: "id", Body: []byte("the body"), Headers: map[string]string{"x-code": code},
			})
			require.Equal(t, want, e.Disposition, code)
			if code != "0" {
				var crash *isolate.CrashError
				require.ErrorAs(t, e.Reason, &crash)
				require.Equal(t, code, e.Reason.Error()[strings.LastIndex(e.Reason.Error(), "code ")+5:][:len(code)])
			}
		}
	})
	t.Run("timeout", func(t *testing.T) {
		cfg := gentask.Config{Timeout: 200 * time.Millisecond, Grace: 5 * time.Second, Retry: gentask.Retry{MaxAttempts: 1}}
		e := ends(t, shell("sleep 1000"), cfg, queue.Message{})
		require.True(t, isolate.WhenCrash(15)(0, e.Reason), e.Reason)
		e = ends(t, shell("trap '' TERM; while :; do sleep 1000; done"), cfg, queue.Message{})
		require.True(t, isolate.WhenCrash(9)(0, e.Reason), e.Reason)
		require.ErrorIs(t, e.Reason, isolate.ErrUnresponsive)
	})
	t.Run("large body that nobody reads", func(t *testing.T) {
		e := ends(t, shell("echo hello; exit 3"), gentask.Config{}, queue.Message{Body: make([]byte, 10<<20)})
		var crash *isolate.CrashError
		require.ErrorAs(t, e.Reason, &crash)
		require.Equal(t, "hello", crash.Stderr)
	})
	t.Run("children of the program", func(t *testing.T) {
		e := ends(t, shell("sleep 1000 & exit 0"), gentask.Config{}, queue.Message{})
		require.NoError(t, e.Reason)
	})
	requireNoChildren(t)
	require.Equal(t, files, openFiles(t))
}

func shell(script string) gentask.Behavior {
	return isolate.Command{Path: "sh", Args: []string{"-c", script}}.Once(isolate.Config{})
}

// TestCommand_Mistakes: a program that is not there is an error of New.
func TestCommand_Mistakes(t *testing.T) {
	for _, c := range []isolate.Command{{}, {Path: "no-such-program"}} {
		for _, b := range []gentask.Behavior{c.Once(isolate.Config{}), c.Serve(isolate.Config{})} {
			_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{})
			require.ErrorIs(t, err, gentask.ErrConfig)
			require.ErrorContains(t, err, "Command.Path")
		}
	}
}

// TestServe_NotOurs: a program that does not speak the protocol can't start, and costs no attempt.
func TestServe_NotOurs(t *testing.T) {
	b := isolate.Command{Path: "echo", Args: []string{"hello"}}.Serve(isolate.Config{Children: 1})
	e := ends(t, b, gentask.Config{}, queue.Message{})
	require.ErrorIs(t, e.Reason, isolate.ErrStart)
	require.Equal(t, queue.Release, e.Disposition)
}
