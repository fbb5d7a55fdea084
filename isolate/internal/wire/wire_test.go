package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/isolate/internal/wire"
	"github.com/gentask/gentask/queue"
)

// TestFrames: what is written is read, whatever it is, and nothing else is.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pipe bytes.Buffer
		w := wire.NewWriter(&pipe)
		frames := rapid.SliceOf(rapid.Custom(func(t *rapid.T) wire.Frame {
			return wire.Frame{
				Kind: wire.Kind(rapid.IntRange(int(wire.KindRun), int(wire.KindProgress)).Draw(t, "kind")),
				Call: rapid.Uint32().Draw(t, "call"),
				Body: bytes.Repeat([]byte("x"), rapid.SampledFrom([]int{0, 1, 100, 32 << 10, 32<<10 + 1}).Draw(t, "size")),
			}
		})).Draw(t, "frames")
		for _, f := range frames {
			require.NoError(t, w.Write(f))
		}
		r := wire.NewReader(&pipe, 64<<10)
		for _, f := range frames {
			got, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, f, got)
		}
		_, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestLimit: a frame that is too long is refused before its body is read.
func TestLimit(t *testing.T) {
	var pipe bytes.Buffer
	require.NoError(t, wire.NewWriter(&pipe).Write(wire.Frame{Kind: wire.KindLog, Body: make([]byte, 11)}))
	_, err := wire.NewReader(&pipe, 10).Next()
	require.ErrorIs(t, err, wire.ErrFrame)
	require.ErrorContains(t, err, "11 bytes; at most 10 are taken")
}

func task() *rapid.Generator[wire.Task] {
	text := rapid.String()
	return rapid.Custom(func(t *rapid.T) wire.Task {
		task := wire.Task{
			Name: text.Draw(t, "name"), Left: time.Duration(rapid.Int64().Draw(t, "left")),
			Attempt: rapid.IntRange(0, math.MaxInt32).Draw(t, "attempt"), Redelivered: rapid.Bool().Draw(t, "redelivered"),
			Message: queue.Message{
				ID: text.Draw(t, "id"), ContentType: text.Draw(t, "type"), Priority: rapid.IntRange(0, 9).Draw(t, "priority"),
				Body: []byte(text.Draw(t, "body")),
			},
		}
		if headers := rapid.MapOf(text, text).Draw(t, "headers"); len(headers) > 0 {
			task.Message.Headers = headers
		}
		if rapid.Bool().Draw(t, "timed") {
			task.Message.Time = time.Unix(rapid.Int64().Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		}
		if rapid.Bool().Draw(t, "properties") {
			task.Message.Properties = &queue.Properties{
				CorrelationID: text.Draw(t, "correlation"), ReplyTo: text.Draw(t, "reply"), Type: text.Draw(t, "kind"),
				AppID: text.Draw(t, "app"), Subject: text.Draw(t, "subject"), Exchange: text.Draw(t, "exchange"),
				Expiration: time.Duration(rapid.Int64().Draw(t, "expiration")),
			}
		}
		return task
	})
}

// TestTask: a job arrives as it was sent, and a body that was cut or lengthened does not.
func TestTask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := task().Draw(t, "task")
		body := sent.Append(nil)
		require.LessOrEqual(t, len(body), sent.Size()+propertiesSize(sent.Message.Properties))
		got, err := wire.TaskOf(body)
		require.NoError(t, err)
		require.Equal(t, sent, got)
		_, err = wire.TaskOf(body[:rapid.IntRange(0, len(body)-1).Draw(t, "cut")])
		require.ErrorIs(t, err, wire.ErrFrame)
		_, err = wire.TaskOf(append(body, 0))
		require.ErrorIs(t, err, wire.ErrFrame)
	})
}

func propertiesSize(p *queue.Properties) int {
	if p == nil {
		return 0
	}
	return len(p.CorrelationID) + len(p.ReplyTo) + len(p.Type) + len(p.AppID) + len(p.Subject) + len(p.Exchange)
}

// TestOthers: the other bodies arrive as they were sent.
func TestOthers(t *testing.T) {
	for _, sent := range []wire.Result{
		{Ending: wire.Returned, Value: []byte("value")},
		{Ending: wire.Failed, Value: []byte{}, Text: "text", Type: "type", Stack: "stack", Decision: "ack", Marks: 1 << 63},
	} {
		got, err := wire.ResultOf(sent.Append(nil))
		require.NoError(t, err)
		require.Equal(t, sent, got)
	}
	hello := wire.Hello{Version: 1, Names: []string{"a", ""}}
	gotHello, err := wire.HelloOf(hello.Append(nil))
	require.NoError(t, err)
	require.Equal(t, hello, gotHello)
	record := wire.Record{Time: time.Unix(1, 2), Level: -4, Message: "m", Attrs: []string{"k", "v"}}
	gotRecord, err := wire.RecordOf(record.Append(nil))
	require.NoError(t, err)
	require.Equal(t, record, gotRecord)
	cancel := wire.Cancel{Text: "text", Timeout: true}
	gotCancel, err := wire.CancelOf(cancel.Append(nil))
	require.NoError(t, err)
	require.Equal(t, cancel, gotCancel)
}

// FuzzBodies: no body makes a reader panic or take more memory than it has, and every error is
// ErrFrame.
func FuzzBodies(f *testing.F) {
	t := wire.Task{Name: "name", Message: queue.Message{ID: "id", Headers: map[string]string{"a": "b"}}}
	f.Add(t.Append(nil))
	r := wire.Result{Ending: wire.Panicked, Text: "text"}
	f.Add(r.Append(nil))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, e1 := wire.TaskOf(body)
		_, e2 := wire.ResultOf(body)
		_, e3 := wire.RecordOf(body)
		_, e4 := wire.HelloOf(body)
		_, e5 := wire.CancelOf(body)
		for _, err := range []error{e1, e2, e3, e4, e5} {
			if err != nil && !errors.Is(err, wire.ErrFrame) {
				t.Fatal(err)
			}
		}
		_, err := wire.NewReader(bytes.NewReader(body), 100).Next()
		if err == nil && len(body) < 9 {
			t.Fatal("a frame of nothing")
		}
	})
}

// TestLineYears: a message of any year is a line that can be read.
func TestLineYears(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-1<<50, 0), time.Unix(1, 0), time.Unix(1<<50, 0)} {
		var pipe bytes.Buffer
		task := wire.Task{Message: queue.Message{ID: "a", Time: at}}
		require.NoError(t, wire.NewLineWriter(&pipe).Write(wire.Frame{Kind: wire.KindRun, Body: task.Append(nil)}))
		var line wire.Line
		require.NoError(t, json.Unmarshal(pipe.Bytes(), &line))
		require.Equal(t, "a", line.Run.ID)
	}
}
