package gentask

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/charset"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/queue"
)

// Config configures a consumer. The zero value is valid: each field documents its default.
type Config struct {
	// Name is shown at the broker, in events, logs and [HealthHandler], and in the names of the
	// consumer's actors. Empty means the name of the queue if its source has one (see
	// [queue.Named]), and otherwise "gentask".
	Name string

	// Concurrency is the most jobs that run at a time. Zero means 10.
	Concurrency int

	// Prefetch is the most deliveries held, running ones included. It must be at least Concurrency.
	// Zero means as many as Concurrency: no work is withheld from other nodes. With more, the next
	// of many short jobs need not wait for the broker.
	Prefetch int

	// Timeout is how long a run may take before its worker gets a Timeout. It also limits how long
	// a worker made by [Actor] may do without a run. Zero means 30 s, -1 never.
	// [KindOptions.Timeout] replaces it for one kind.
	Timeout time.Duration

	// Grace is how long a task may take to return after its context is cancelled; then it is
	// abandoned. Zero means 5 s, -1 abandons at once.
	Grace time.Duration

	// Retry controls how often and when a job that fails is tried. Its zero value means 25 attempts
	// with an exponential back-off from 1 s to 6 h.
	Retry Retry

	// MaxAbandoned is the most abandoned tasks that may still run. At that number, the consumer
	// takes no work and is unhealthy. Zero means as many as Concurrency, -1 no limit.
	MaxAbandoned int

	// DrainTimeout is how long running jobs may take to finish when the consumer stops. The rest is
	// cancelled and goes back to the queue. Zero means 30 s, -1 cancels at once.
	DrainTimeout time.Duration

	// FinishLost lets a job run on when its session is lost. Its delivery is lost too, and the
	// broker delivers the message again, to any consumer. Off, the job is cancelled with
	// [ErrSessionLost].
	FinishLost bool

	// Reconnect is how long to wait before a session is opened again: from half of d to d, as in
	// [Backoff]. Its zero fields mean 100 ms and 30 s. While no answer comes from the broker's
	// address, d stays at eight times Base, so that consumers reconnect as soon as the broker is
	// back. After a session that brought a delivery, the wait is Base again.
	Reconnect Backoff

	// OpenTimeout is how long opening a session may take. Zero means 30 s.
	OpenTimeout time.Duration

	// FailFast makes the consumer give up when the broker refuses the first session, because of a
	// wrong password for example. Off, the consumer tries again with back-off until it is stopped.
	// It does not concern a broker that can't be reached or does not answer in time.
	FailFast bool

	// Restarts is how often a worker made by [Actor] may crash within 5 s and be restarted for the
	// same job. Zero means 3, -1 never.
	Restarts int

	// Decode decodes the body of msg into the value that into points to. It is called in the job's
	// task. If it fails or panics, the message is dead-lettered. It must not change msg. Nil means
	// [DecodeJSON], which decodes null as the zero value; use [StrictJSON] to reject that.
	Decode func(msg *queue.Message, into any) error

	// Versions are the versions of payloads that this program can read. A message with another one
	// in the header [queue.HeaderVersion] is put off: see [Unknown]. A message without the header
	// is taken. Nil takes every version.
	Versions []string

	// Unknown controls what becomes of messages that this node can't do, and another may.
	Unknown Unknown

	// Policy holds further policies, such as limits, order and breakers. The zero value uses none.
	Policy Policy

	// OnEvent is called for each [Event], one after the other, in order, on a goroutine of its own.
	// While it blocks, up to 16,384 events wait, and further ones are lost. If it panics, that
	// event is lost. Both are counted in [Health.Hooks]. See [Consumer.Subscribe] for further
	// subscribers.
	OnEvent func(Event)

	// Logger receives the records that an operator needs. Errors and warnings need a look: dead
	// letters, sessions that can't be opened and the end of a consumer that gave up are errors.
	// Jobs that failed and are tried again are at Info. docs/operations.md lists all. Its handler
	// is called on a goroutine of its own, for records at Info and above. While it blocks, up to
	// 2,048 records wait, and further ones are lost, counted in [Health.Hooks].
	//
	// Nil means the logger that slog.Default returns when [New] is called. To log nothing, use
	// slog.New(slog.DiscardHandler).
	Logger *slog.Logger

	// LogsInLetters keeps the last 8 KiB of what a job logs with its [Logger], at Info or above or
	// as low as the Logger's handler goes. If the attempt leads to a dead letter, the lines travel
	// in its header [queue.HeaderLog], as slog.TextHandler writes them. Off, nothing is kept.
	LogsInLetters bool

	// System is the actor system in which [Run] and [Consumer.Start] spawn the consumer. Nil makes
	// one.
	System *actor.System
}

// DecodeJSON decodes a body as JSON, of any content type, and with or without a byte order mark. A
// body with the mark of UTF-16 is read as that. A body that is compressed is an error: package
// codec decompresses. A *[]byte gets the body as it is, without a copy; a *string likewise.
// Everything else is as in encoding/json. The body null leaves the zero value, unknown fields are
// ignored, and of a name that comes twice the last one counts. A number that is decoded into an any
// is a float64, which is not exact beyond 2^53. [StrictJSON] rejects or keeps these.
func DecodeJSON(msg *queue.Message, into any) error {
	if takeBody(msg, into) {
		return nil
	}
	return packed(msg, json.Unmarshal(charset.UTF8(msg.Body), into))
}

// check returns all errors in the fields, joined.
func (c Config) check() error {
	var errs []error
	if c.System != nil {
		if err := process.CheckSystem(c.System); err != nil {
			errs = append(errs, fmt.Errorf("%w: System: %w", ErrConfig, err))
		}
	}
	for _, f := range []struct {
		name  string
		value int64
		least int64
		want  string
	}{
		{"Concurrency", int64(c.Concurrency), 0, "0 for 10, or more"},
		{"Prefetch", int64(c.Prefetch), 0, "0 for as many as Concurrency, or more"},
		{"MaxAbandoned", int64(c.MaxAbandoned), never, "0 for as many as Concurrency, -1 for no limit, or more"},
		{"Restarts", int64(c.Restarts), never, "0 for 3, -1 for none, or more"},
	} {
		if f.value < f.least {
			errs = append(errs, fmt.Errorf("%w: %s is %d; want %s", ErrConfig, f.name, f.value, f.want))
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
		least time.Duration
		want  string
	}{
		{"Timeout", c.Timeout, never, "0 for 30s, -1 for never, or more"},
		{"Grace", c.Grace, never, "0 for 5s, -1 for none, or more"},
		{"DrainTimeout", c.DrainTimeout, never, "0 for 30s, -1 for none, or more"},
		{"OpenTimeout", c.OpenTimeout, 0, "0 for 30s, or more"},
		{"Reconnect.Base", c.Reconnect.Base, 0, "0 for 100ms, or more"},
		{"Reconnect.Max", c.Reconnect.Max, 0, "0 for 30s, or more"},
	} {
		if f.value < f.least {
			errs = append(errs, fmt.Errorf("%w: %s is %v; want %s", ErrConfig, f.name, f.value, f.want))
		}
	}
	return errors.Join(append(errs, c.checkTogether(), c.Policy.check())...)
}

// checkTogether returns the errors of fields that depend on each other.
func (c Config) checkTogether() error {
	var errs []error
	if n := or(c.Concurrency, defaultConcurrency); c.Prefetch > 0 && c.Prefetch < n {
		errs = append(errs, fmt.Errorf(
			"%w: Prefetch is %d with Concurrency %d; want as many at least, or 0 for just as many",
			ErrConfig, c.Prefetch, n))
	}
	errs = append(errs,
		badFields("Retry.", c.Retry.check()),
		badFields("Reconnect.", c.Reconnect.check(defaultReconnect)),
		badFields("Unknown.", c.Unknown.check()),
		badFields("", checkVersions(c.Versions)))
	return errors.Join(errs...)
}
