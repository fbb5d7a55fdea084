package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
)

// Breaker stops taking work while most runs fail, for example because a service that they all need
// is down. Messages stay at the broker and keep their attempts.
//
// It opens when the failure rate is reached. The intake is cancelled, as by [Consumer.Pause],
// unstarted deliveries go back, and running jobs go on. After a wait, one job runs as a probe. If
// that succeeds, the breaker closes and deliveries flow. If it fails, the breaker opens again, for
// longer.
//
// Errors, panics and timeouts are failures; see [Policy.Failure] for exceptions. Its state is shown
// by State and Breakers of [Health], and by events. It outlives a ledger that crashes, and ends
// with the process: each node has its own.
type Breaker struct {
	// FailureRate is the share of failed runs at which it opens, more than 0 and up to 1: 0.5 is
	// half of them. Zero means off.
	FailureRate float64

	// Window is the period in which runs count. Zero means 30 s.
	Window time.Duration

	// MinRuns is how many runs must be in the window for it to open. Zero means 10.
	MinRuns int

	// Wait is how long it stays open, by how often it has opened in a row. Its zero fields mean 5 s
	// and 1 min.
	Wait Backoff
}

func (b Breaker) on() bool { return b.FailureRate > 0 }

func (b Breaker) check() error {
	return errors.Join(
		inField("Wait.", b.Wait.check(breakerMaxWait)),
		unfitIf(!(b.FailureRate >= 0 && b.FailureRate <= 1), // true for NaN
			"FailureRate", b.FailureRate, "0 for off, or a share up to 1"),
		unfitIf(b.Window < 0, "Window", b.Window, "0 for 30s, or more"),
		unfitIf(b.MinRuns < 0, "MinRuns", b.MinRuns, "0 for 10, or more"),
		unfitIf(b.Wait.Base < 0, "Wait.Base", b.Wait.Base, "0 for 5s, or more"),
		unfitIf(b.Wait.Max < 0, "Wait.Max", b.Wait.Max, "0 for 1m, or more"),
		unfitIf(b.FailureRate == 0 && b != Breaker{}, "FailureRate", b.FailureRate,
			"the share of failures at which it opens, such as 0.5; other fields are set"))
}

// breakerWait and breakerMaxWait are the defaults of Breaker.Wait.
const (
	breakerWait    = 5 * time.Second
	breakerMaxWait = time.Minute
)

// machine returns a breaker; nil if it is off.
func (b Breaker) machine(random func() float64) *breaker.Machine {
	if !b.on() {
		return nil
	}
	wait := b.Wait.or(breakerWait, breakerMaxWait)
	return breaker.New(breaker.Settings{
		FailureRate: b.FailureRate,
		Window:      or(b.Window, 30*time.Second),
		MinRuns:     or(b.MinRuns, 10),
		Wait:        func(n int) time.Duration { return wait.delay(n, random) },
	})
}

// BreakerHealth describes a breaker that is not closed.
type BreakerHealth struct {
	// Key is the key of a breaker of [Policy.KeyBreaker]; empty for the consumer's own.
	Key string

	// Probing reports whether one job may run as a probe. Until then nothing runs, and NextProbe is
	// when the next probe is due; it is zero while probing.
	Probing   bool
	NextProbe time.Time

	// Forced reports whether [Overrides.BreakerOpen] keeps it open. The fields below are zero then.
	Forced bool

	// Since is when it opened, or began to probe. Cause is the failure that opened it last.
	Since time.Time
	Cause error
}

// healthOf describes the breaker of a key; the empty key is the consumer's own.
func healthOf(key string, c *admission.Circuit) BreakerHealth {
	return BreakerHealth{
		Key: key, Probing: c.State() == breaker.Probing, NextProbe: c.NextProbe(), Since: c.Since(), Cause: c.Cause,
	}
}
