package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
)

// Breaker stops taking work while most runs fail, as they do when what they all depend on is down: messages stay at the broker and keep their
// attempts. It opens when the failure rate is reached: the intake is cancelled, as Pause does it, what has not been started goes back, and what
// runs goes on. After a wait it lets one job run as a probe. If that succeeds the breaker closes and everything flows; if it fails, it
// opens again, for longer.
//
// Errors, panics and timeouts are failures; see Policy.Failure for what isn't. Its state is told as State and Breakers of Health, and as
// events. It outlives a ledger that crashes, and ends with the process: each node has its own.
type Breaker struct {
	// FailureRate is the share of runs, more than 0 and up to 1, that must have failed for it to open: 0.5 is half of them. Zero is off.
	FailureRate float64

	// Window is how far back runs count. Zero means 30 s.
	Window time.Duration

	// MinRuns is how many runs the window must have for it to open. Zero means 10.
	MinRuns int

	// Wait is how long it stays open, after each time that it has opened in a row. Its zero fields mean 5 s and 1 min.
	Wait Backoff
}

func (b Breaker) on() bool { return b.FailureRate > 0 }

func (b Breaker) check() error {
	return errors.Join(
		inField("Wait.", b.Wait.check(breakerMaxWait)),
		unfitIf(!(b.FailureRate >= 0 && b.FailureRate <= 1), "FailureRate", b.FailureRate, "0 for off, or a share up to 1"), // NaN is not in it
		unfitIf(b.Window < 0, "Window", b.Window, "0 for 30s, or more"),
		unfitIf(b.MinRuns < 0, "MinRuns", b.MinRuns, "0 for 10, or more"),
		unfitIf(b.Wait.Base < 0, "Wait.Base", b.Wait.Base, "0 for 5s, or more"),
		unfitIf(b.Wait.Max < 0, "Wait.Max", b.Wait.Max, "0 for 1m, or more"),
		unfitIf(b.FailureRate == 0 && b != Breaker{}, "FailureRate", b.FailureRate,
			"the share of failures at which it opens, such as 0.5; other fields are set"))
}

// breakerWait is the least wait, and breakerMaxWait the longest, unless the user says otherwise.
const (
	breakerWait    = 5 * time.Second
	breakerMaxWait = time.Minute
)

// machine makes a breaker; nil if it is off.
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
	// Key is whose it is, for one of Policy.KeyBreaker; empty for the consumer's own.
	Key string

	// Probing says that one job may run as a probe. Until then nothing runs, and NextProbe is when it is time; zero while it is probing.
	Probing   bool
	NextProbe time.Time

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
