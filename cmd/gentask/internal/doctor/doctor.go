// Package doctor finds out what is wrong or risky at a broker, and what to do about it. It asks
// only what a program may ask without administration: AMQP, NATS and SQL.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
)

// Level is how bad a finding is. The set is closed.
type Level string

// The levels.
const (
	Wrong   Level = "wrong"   // jobs are lost, late or not done
	Risk    Level = "risk"    // they will be, when something else happens
	Unknown Level = "unknown" // the broker does not tell
	Fine    Level = "fine"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	What  string `json:"what"`         // that was looked at
	Is    string `json:"is"`           // what it is like
	Do    string `json:"do,omitempty"` // about it
}

// Target is what to look at.
type Target struct {
	URL    string
	Schema string // of PostgreSQL; empty is the driver's default
	Broker broker.Broker
	Queues []string

	// Patience is how long to wait for each answer.
	Patience time.Duration
}

// Examine looks at a broker and its queues. It changes nothing, and goes on when a look fails: that
// is a finding. It ends early with ctx.
func Examine(ctx context.Context, t Target) []Finding {
	e := &examination{Target: t}
	switch t.Broker.System() {
	case "RabbitMQ":
		e.rabbitMQ(ctx)
	case "JetStream":
		e.jetStream(ctx)
	case "PostgreSQL":
		e.postgreSQL(ctx)
	case "embedded":
		e.directory()
	}
	for _, name := range t.Queues {
		if ctx.Err() != nil {
			break
		}
		e.queue(ctx, name)
	}
	return e.found
}

// examination gathers findings.
type examination struct {
	Target
	found []Finding
}

func (e *examination) add(level Level, what, is, do string) {
	e.found = append(e.found, Finding{Level: level, What: what, Is: broker.Redact(is, e.URL), Do: do})
}

// is adds a finding of a level if something is so, and that it is fine otherwise.
func (e *examination) is(so bool, level Level, what, is, do string) {
	if so {
		e.add(level, what, is, do)
		return
	}
	e.add(Fine, what, is, "")
}

// failed adds that a look was not possible.
func (e *examination) failed(level Level, what string, err error, do string) {
	e.add(level, what, err.Error(), do)
}

func (e *examination) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.Patience)
}

// maxSkew is how far clocks may be apart. Times of delivery, of letters and of plans are compared
// with the clock of the machine.
const maxSkew = 2 * time.Second

// skew adds a finding about a clock that differs from this machine's by d.
func (e *examination) skew(what string, d time.Duration) {
	is := fmt.Sprintf("%v from this machine's", d.Round(time.Millisecond))
	e.is(d.Abs() > maxSkew, Risk, what, is, "let all machines synchronize their clocks: delays and plans go by them")
}

// aheadOf returns how far a clock is ahead of this machine's, by a time that it told between two
// moments.
func aheadOf(told, before, after time.Time) time.Duration {
	switch {
	case told.Before(before):
		return told.Sub(before)
	case told.After(after):
		return told.Sub(after)
	}
	return 0
}
