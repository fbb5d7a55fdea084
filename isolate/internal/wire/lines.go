package wire

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
)

// Line is a frame for programs in other languages: a line of JSON with one of these fields.
// docs/isolation.md describes it for their authors.
type Line struct {
	Run      *LineRun      `json:"run,omitempty"`
	Cancel   *LineCancel   `json:"cancel,omitempty"`
	Hello    *LineHello    `json:"hello,omitempty"`
	Result   *LineResult   `json:"result,omitempty"`
	Log      *LineLog      `json:"log,omitempty"`
	Progress *LineProgress `json:"progress,omitempty"`
}

// LineRun is a job.
type LineRun struct {
	Call        uint32            `json:"call"`
	ID          string            `json:"id"`
	Attempt     int               `json:"attempt"`
	Redelivered bool              `json:"redelivered,omitempty"`
	TimeoutMS   int64             `json:"timeout_ms,omitempty"` // zero for none
	Time        *time.Time        `json:"time,omitempty"`       // of publishing
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body"`             // if it is UTF-8
	Base64      string            `json:"base64,omitempty"` // the body otherwise
}

// LineCancel asks a job to stop.
type LineCancel struct {
	Call    uint32 `json:"call"`
	Cause   string `json:"cause"`
	Timeout bool   `json:"timeout,omitempty"`
}

// LineHello is the first line of a program.
type LineHello struct {
	Version int `json:"version"`
}

// LineResult is the end of a job. It has failed if Error or Decision is not empty.
type LineResult struct {
	Call     uint32 `json:"call"`
	Error    string `json:"error"`
	Type     string `json:"type"`
	Stack    string `json:"stack"`
	Decision string `json:"decision"` // as gentask.Decision has it in text
}

// LineLog is a log record of a job.
type LineLog struct {
	Call    uint32         `json:"call"`
	Level   string         `json:"level"` // debug, info, warn or error; empty for info
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs"`
}

// LineProgress is what a job reports.
type LineProgress struct {
	Call uint32          `json:"call"`
	Data json.RawMessage `json:"data"`
}

// LineReader reads lines of a program as frames. It belongs to one goroutine.
type LineReader struct {
	from  *bufio.Reader
	limit int
}

// NewLineReader returns a reader of lines of at most limit bytes.
func NewLineReader(from io.Reader, limit int) *LineReader {
	return &LineReader{bufio.NewReaderSize(from, 64<<10), limit}
}

// Next returns the frame of the next line that is not empty. Its errors are those of [Reader.Next].
func (r *LineReader) Next() (Frame, error) {
	for {
		line, err := r.line()
		switch {
		case err != nil:
			return Frame{}, err
		case len(strings.TrimSpace(string(line))) > 0:
			return frameOf(line)
		}
	}
}

// line returns the next line. The last one may have no line break.
func (r *LineReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.from.ReadSlice('\n')
		if len(line)+len(part) > r.limit {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrFrame, r.limit)
		}
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull: //nolint:errorlint // as ReadSlice returns it
		case err != nil && len(line) == 0:
			return nil, err
		default:
			return line, nil
		}
	}
}

// frameOf returns the frame that a line stands for.
func frameOf(line []byte) (Frame, error) {
	var l Line
	if err := json.Unmarshal(line, &l); err != nil {
		return Frame{}, fmt.Errorf("%w: not a line of JSON: %.100q: %w", ErrFrame, line, err)
	}
	switch {
	case l.Hello != nil:
		h := Hello{Version: l.Hello.Version}
		return Frame{Kind: KindHello, Body: h.Append(nil)}, nil
	case l.Result != nil:
		r := l.Result.result()
		return Frame{Kind: KindResult, Call: l.Result.Call, Body: r.Append(nil)}, nil
	case l.Log != nil:
		r := l.Log.record()
		return Frame{Kind: KindLog, Call: l.Log.Call, Body: r.Append(nil)}, nil
	case l.Progress != nil:
		return Frame{Kind: KindProgress, Call: l.Progress.Call, Body: l.Progress.Data}, nil
	}
	return Frame{}, fmt.Errorf("%w: %.100q; want hello, result, log or progress", ErrFrame, line)
}

func (l *LineResult) result() Result {
	if l.Error == "" && l.Decision == "" {
		return Result{Ending: Returned}
	}
	return Result{Ending: Failed, Text: l.Error, Type: l.Type, Stack: l.Stack, Decision: l.Decision}
}

// levels are those of log/slog.
var levels = map[string]int{"debug": -4, "info": 0, "": 0, "warn": 4, "warning": 4, "error": 8}

func (l *LineLog) record() Record {
	r := Record{Time: time.Now(), Level: levels[strings.ToLower(l.Level)], Message: l.Message}
	for _, name := range slices.Sorted(maps.Keys(l.Attrs)) {
		r.Attrs = append(r.Attrs, name, fmt.Sprint(l.Attrs[name]))
	}
	return r
}

// LineWriter writes frames as lines to a program. Its methods are safe for concurrent use.
type LineWriter struct {
	mu sync.Mutex
	to io.Writer
}

// NewLineWriter returns a writer.
func NewLineWriter(to io.Writer) *LineWriter { return &LineWriter{to: to} }

// Write writes a frame that is a job or a cancellation.
func (w *LineWriter) Write(f Frame) error {
	line, err := lineOf(f)
	if err != nil {
		return err
	}
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.to.Write(append(data, '\n'))
	return err
}

// lineOf returns the line that a frame stands for.
func lineOf(f Frame) (Line, error) {
	if f.Kind == KindCancel {
		c, err := CancelOf(f.Body)
		return Line{Cancel: &LineCancel{Call: f.Call, Cause: c.Text, Timeout: c.Timeout}}, err
	}
	t, err := TaskOf(f.Body)
	run := &LineRun{
		Call: f.Call, ID: t.Message.ID, Attempt: t.Attempt, Redelivered: t.Redelivered,
		ContentType: t.Message.ContentType, Headers: t.Message.Headers, TimeoutMS: t.Left.Milliseconds(),
	}
	if !t.Message.Time.IsZero() {
		at := queue.BoundTime(t.Message.Time)
		run.Time = &at
	}
	if utf8.Valid(t.Message.Body) {
		run.Body = string(t.Message.Body)
	} else {
		run.Base64 = base64.StdEncoding.EncodeToString(t.Message.Body)
	}
	return Line{Run: run}, err
}
