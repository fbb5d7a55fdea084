package wire

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// Task is the body of a [KindRun]: a job to run.
type Task struct {
	Name        string        // of the function
	Left        time.Duration // until the deadline; zero for none
	Attempt     int
	Redelivered bool
	Message     queue.Message // without the properties that only a publisher uses
}

// Append appends the task to a body.
func (t *Task) Append(body []byte) []byte {
	m := &t.Message
	f := fields(body)
	f.text(t.Name)
	f.int(int64(t.Left))
	f.int(int64(t.Attempt))
	f.flag(t.Redelivered)
	f.text(m.ID)
	f.text(m.ContentType)
	f.instant(m.Time)
	f.int(int64(m.Priority))
	f.pairs(m.Headers)
	f.properties(m.Properties)
	f.bytes(m.Body)
	return f
}

// Size returns about how long the task is in a body, and not less.
func (t *Task) Size() int {
	n := 300 + len(t.Name) + len(t.Message.ID) + len(t.Message.ContentType) + len(t.Message.Body)
	for k, v := range t.Message.Headers {
		n += len(k) + len(v) + 2*binaryMax
	}
	return n
}

// binaryMax is the most bytes of a number.
const binaryMax = 10

// TaskOf reads a task. Its body is part of the frame's.
func TaskOf(body []byte) (Task, error) {
	s := source{rest: body}
	t := Task{
		Name: s.text(), Left: time.Duration(s.int()), Attempt: int(s.int()), Redelivered: s.flag(),
		Message: queue.Message{
			ID: s.text(), ContentType: s.text(), Time: s.instant(), Priority: int(s.int()), Headers: s.pairs(),
			Properties: s.properties(), Body: s.bytes(),
		},
	}
	return t, s.end()
}

// instant appends a time, of any year: those of messages come from programs of others.
func (f *fields) instant(t time.Time) {
	f.flag(!t.IsZero())
	f.int(t.Unix())
	f.int(int64(t.Nanosecond()))
}

func (s *source) instant() time.Time {
	some, seconds, rest := s.flag(), s.int(), s.int()
	if !some || s.err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, rest)
}

func (f *fields) properties(p *queue.Properties) {
	f.flag(p != nil)
	if p == nil {
		return
	}
	f.list([]string{p.CorrelationID, p.ReplyTo, p.Type, p.AppID, p.Subject, p.Exchange})
	f.int(int64(p.Expiration))
}

func (s *source) properties() *queue.Properties {
	if !s.flag() {
		return nil
	}
	l := s.list()
	if len(l) != 6 {
		s.fail("properties cut off")
		return nil
	}
	return &queue.Properties{
		CorrelationID: l[0], ReplyTo: l[1], Type: l[2], AppID: l[3], Subject: l[4], Exchange: l[5],
		Expiration: time.Duration(s.int()),
	}
}

// Hello is the body of a [KindHello].
type Hello struct {
	Version int      // of the protocol
	Names   []string // of the functions
}

// Version is the version of the protocol. Both sides are the same program, so others are refused.
const Version = 1

// Append appends h to a body.
func (h *Hello) Append(body []byte) []byte {
	f := fields(body)
	f.int(int64(h.Version))
	f.list(h.Names)
	return f
}

// HelloOf reads a Hello.
func HelloOf(body []byte) (Hello, error) {
	s := source{rest: body}
	h := Hello{Version: int(s.int()), Names: s.list()}
	return h, s.end()
}

// Ending is how a call has ended. The set is closed.
type Ending uint8

const (
	// Returned means that it returned without an error.
	Returned Ending = iota + 1
	// Failed means that it returned an error.
	Failed
	// Undecodable means that the payload could not be decoded.
	Undecodable
	// Panicked means that the function panicked.
	Panicked
	// Exited means that the function called runtime.Goexit.
	Exited
)

// Result is the body of a [KindResult].
type Result struct {
	Ending   Ending
	Value    []byte // of Returned
	Text     string // of the error, or of the value of the panic
	Type     string // of the error; of the payload, if that is undecodable
	Stack    string // of the panic, or that the error carries
	Decision string // that the error is or wraps, as text; empty for none
	Marks    uint64 // a bit for each known error that the error wraps
}

// Append appends r to a body.
func (r *Result) Append(body []byte) []byte {
	f := fields(body)
	f.uint(uint64(r.Ending))
	f.bytes(r.Value)
	if r.Ending == Returned {
		return f
	}
	f.list([]string{r.Text, r.Type, r.Stack, r.Decision})
	f.uint(r.Marks)
	return f
}

// ResultOf reads a Result. Its value is part of the frame's body.
func ResultOf(body []byte) (Result, error) {
	s := source{rest: body}
	r := Result{Ending: Ending(s.uint()), Value: s.bytes()}
	switch {
	case r.Ending < Returned || r.Ending > Exited:
		s.fail("unknown ending")
	case r.Ending != Returned:
		if l := s.list(); len(l) == 4 {
			r.Text, r.Type, r.Stack, r.Decision = l[0], l[1], l[2], l[3]
		} else {
			s.fail("error cut off")
		}
		r.Marks = s.uint()
	}
	return r, s.end()
}

// Record is the body of a [KindLog]: one record of a logger.
type Record struct {
	Time    time.Time
	Level   int
	Message string
	Attrs   []string // names and values in turns
}

// Append appends r to a body.
func (r *Record) Append(body []byte) []byte {
	f := fields(body)
	f.instant(r.Time)
	f.int(int64(r.Level))
	f.text(r.Message)
	f.list(r.Attrs)
	return f
}

// RecordOf reads a Record.
func RecordOf(body []byte) (Record, error) {
	s := source{rest: body}
	r := Record{Time: s.instant(), Level: int(s.int()), Message: s.text(), Attrs: s.list()}
	if len(r.Attrs)%2 != 0 {
		s.fail("attribute without a value")
	}
	return r, s.end()
}

// Cancel is the body of a [KindCancel].
type Cancel struct {
	Text    string // of the cause
	Timeout bool   // the time of the job is over
}

// Append appends c to a body.
func (c *Cancel) Append(body []byte) []byte {
	f := fields(body)
	f.text(c.Text)
	f.flag(c.Timeout)
	return f
}

// CancelOf reads a Cancel.
func CancelOf(body []byte) (Cancel, error) {
	s := source{rest: body}
	c := Cancel{Text: s.text(), Timeout: s.flag()}
	return c, s.end()
}
