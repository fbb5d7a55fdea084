package isolate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

var errOurs = errors.New("ours")

type badError struct{}

func (*badError) Error() string { panic("no text") }

// crossings are functions whose end must cross to the parent, by name.
var crossings = map[string]func(ctx context.Context) (string, error){
	"value":        func(context.Context) (string, error) { return "a value", nil },
	"large value":  func(context.Context) (string, error) { return strings.Repeat("x", 8<<20), nil },
	"too large":    func(context.Context) (string, error) { return strings.Repeat("x", 17<<20), nil },
	"known error":  func(context.Context) (string, error) { return "", fmt.Errorf("wrapped: %w", errOurs) },
	"decision":     func(context.Context) (string, error) { return "", fmt.Errorf("busy: %w", gentask.Snooze(time.Hour)) },
	"dead letter":  func(context.Context) (string, error) { return "", gentask.DeadLetter(errOurs) },
	"own timeout":  func(context.Context) (string, error) { return "", context.DeadlineExceeded },
	"bad error":    func(context.Context) (string, error) { return "", &badError{} },
	"error value":  func(context.Context) (string, error) { panic(fmt.Errorf("panicked: %w", io.EOF)) },
	"the deadline": deadline,
	"the message":  theMessage,
	"logs":         logs,
}

func deadline(ctx context.Context) (string, error) {
	end, ok := ctx.Deadline()
	if left := time.Until(end); !ok || left > 5*time.Second || left < 3*time.Second {
		return "", fmt.Errorf("deadline in %v", left)
	}
	return "fine", ctx.Err()
}

func theMessage(ctx context.Context) (string, error) {
	job, ok := isolate.FromContext(ctx)
	m := job.Message
	return fmt.Sprintln(ok, m.ID, m.Headers, m.ContentType, m.Priority, m.Properties.ReplyTo, job.Attempt,
		m.Time.Equal(time.Unix(1e9, 5))), nil
}

func logs(ctx context.Context) (string, error) {
	gentask.Logger(ctx).With("a", 1).WithGroup("g").InfoContext(ctx, "with context", "b", 2)
	slog.Default().Warn("without", slog.Group("h", "c", 3))
	slog.Default().Debug("not this")
	return "", isolate.Progress(ctx, map[string]int{"percent": 50})
}

type crosser struct{}

var (
	crossed  = make(chan task.Outcome[string], 1)
	reported = make(chan isolate.Report, 1)
	crossing = isolate.Work[string, string]("crossing", crosser{}, isolate.Config{
		Children: 1, MaxReply: 16 << 20, Errors: []error{errOurs}, OnProgress: func(r isolate.Report) { reported <- r },
	})
)

func (crosser) Run(ctx context.Context, name string) (string, error) {
	name, _, _ = strings.Cut(name, "!")
	return crossings[name](ctx)
}

func (crosser) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[string]) gentask.Decision {
	crossed <- o
	return gentask.Ack()
}

// cross runs a crossing, and returns how it ended.
func cross(t *testing.T, logger *slog.Logger, name string) task.Outcome[string] {
	t.Helper()
	q := memory.New(memory.Config{})
	start(t, q, crossing, gentask.Config{Timeout: 5 * time.Second, Logger: logger})
	require.NoError(t, q.Publish(t.Context(), queue.Message{
		ID: "the id", Body: []byte(name), Headers: map[string]string{"h": "1", "": "2"}, ContentType: "text/plain",
		Time: time.Unix(1e9, 5), Priority: 2, Properties: &queue.Properties{ReplyTo: "there"},
	}))
	return <-crossed
}

// TestCrossing: the end of a function in a child is that of the job, as if it had run in the
// parent.
func TestCrossing(t *testing.T) {
	end := func(name string) task.Outcome[string] { return cross(t, nil, name) }
	require.Equal(t, "a value", end("value").Value)
	require.Len(t, end("large value").Value, 8<<20)
	require.ErrorContains(t, end("too large").Reason, "Config.MaxReply is 16777216")
	require.Equal(t, "a value", end("value!"+strings.Repeat("y", 20<<20)).Value)

	o := end("known error")
	require.ErrorIs(t, o.Reason, errOurs)
	require.NotErrorIs(t, o.Reason, context.Canceled)
	require.EqualError(t, o.Reason, "wrapped: ours")
	require.ErrorIs(t, end("own timeout").Reason, context.DeadlineExceeded)
	require.ErrorContains(t, end("bad error").Reason, "no text")

	var d gentask.Decision
	require.ErrorAs(t, end("decision").Reason, &d)
	require.Equal(t, gentask.Snooze(time.Hour), d)
	require.ErrorAs(t, end("dead letter").Reason, &d)
	require.Equal(t, "dead letter: ours", d.String())

	o = end("error value")
	require.True(t, gentask.WhenPanic(o.Status, o.Reason))
	require.EqualError(t, o.Reason, "panic: panicked: EOF")

	require.Equal(t, "fine", end("the deadline").Value)
	require.Equal(t, "true the id map[:2 h:1] text/plain 2 there 1 true\n", end("the message").Value)
}

// TestNotes: log records and progress of a job come to the parent's Logger and to OnProgress,
// before its result.
func TestNotes(t *testing.T) {
	var text bytes.Buffer
	cross(t, slog.New(slog.NewTextHandler(&text, nil)), "logs")
	lines := text.String()
	require.Contains(t, lines, `msg="with context"`)
	require.Contains(t, lines, `a=1 g.b=2`)
	require.Contains(t, lines, `level=WARN msg=without`)
	require.Contains(t, lines, `h.c=3`)
	require.Contains(t, lines, `job.id="the id" attempt=1`)
	require.NotContains(t, lines, "not this")
	r := <-reported
	require.Equal(t, isolate.Report{JobID: "the id", Attempt: 1, Data: []byte(`{"percent":50}`)}, r)
	require.Error(t, isolate.Progress(t.Context(), 1))
	require.NotEmpty(t, os.Args)
}

var strict = isolate.Handle("strict", func(context.Context, struct{ N int }) error { return nil }, isolate.Config{Children: 1})

// TestUndecodable: a payload that a child can't decode is dead-lettered at once.
func TestUndecodable(t *testing.T) {
	q := memory.New(memory.Config{})
	c := start(t, q, strict, gentask.Config{})
	ended := make(chan gentask.Event, 1)
	c.Subscribe(func(e gentask.Event) { ended <- e }, gentask.EventDone)
	publish(t, q, "no JSON")
	e := <-ended
	var undecodable *gentask.DecodeError
	require.ErrorAs(t, e.Reason, &undecodable)
	require.Equal(t, queue.DeadLetter, e.Disposition)
	require.Equal(t, "struct { N int }", undecodable.Type)
}

type bomb struct{ ended chan error }

var (
	exploded = make(chan error, 1)
	bombs    = isolate.Work[string, string]("bomb", bomb{exploded}, isolate.Config{Children: 1})
)

func (bomb) Run(context.Context, string) (string, error) { panic("boom") }

func (b bomb) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[string]) gentask.Decision {
	b.ended <- o.Reason
	return gentask.Ack()
}

// TestFingerprint: the stack of a panic in a child ends at the worker, so that letters of the same
// fault are together.
func TestFingerprint(t *testing.T) {
	q := memory.New(memory.Config{})
	start(t, q, bombs, gentask.Config{})
	publish(t, q, "x")
	got := queue.Fingerprint(actor.Stack(<-exploded))
	require.Equal(t, queue.Fingerprint("panic(...)\ngithub.com/gentask/gentask/isolate_test.bomb.Run(...)\n"), got)
}
