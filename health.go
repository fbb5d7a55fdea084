package gentask

import (
	"fmt"
	"sync/atomic"
	"time"
)

// State says what a consumer does. The set is closed.
type State uint8

const (
	// Stopped says that it was not started, or ended.
	Stopped State = iota
	// Connecting says that there is no session; one is being opened, or will be after a while.
	Connecting
	// Consuming says that deliveries flow. The normal state.
	Consuming
	// Paused follows Pause; what runs goes on.
	Paused
	// Saturated says that so many abandoned tasks still run (Config.MaxAbandoned) that no work is taken.
	Saturated
	// BreakerOpen says that Policy.Breaker takes no work, because most runs have failed; what runs goes on.
	BreakerOpen
	// Probing says that Policy.Breaker lets one job at a time run, to see whether it may close.
	Probing
	// Draining says that it is on the way to its end.
	Draining
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Stopped:
		return "stopped"
	case Connecting:
		return "connecting"
	case Consuming:
		return "consuming"
	case Paused:
		return "paused"
	case Saturated:
		return "saturated"
	case BreakerOpen:
		return "breaker open"
	case Probing:
		return "probing"
	case Draining:
		return "draining"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Health is how a consumer is. It is a snapshot, at most a second old.
type Health struct {
	State State

	// Since is when the state began.
	Since time.Time

	// Error is why there is no session, or why the last settlement was not taken; nil when all is well.
	Error error

	// Running is how many jobs have a worker or a task, Held how many deliveries are unsettled, and Abandoned how many abandoned tasks still
	// run.
	Running, Held, Abandoned int

	// Late is how many abandoned tasks have returned after all; their results were dropped.
	Late int

	// Concurrency is how many jobs may run at a time: what the user said, or Policy.Adaptive has come to. Zero when stopped.
	Concurrency int

	// Breakers are the breakers that are not closed.
	Breakers []BreakerHealth
}

// Healthy says whether the consumer does what it was told: it consumes, or is paused, or its breaker is open, and its settlements are taken. What a
// breaker tells of is for an alarm; to start the process anew doesn't mend it, and forgets what the breaker knows.
func (h Health) Healthy() bool {
	switch h.State {
	case Consuming, Paused, BreakerOpen, Probing:
		return h.Error == nil
	case Stopped, Connecting, Saturated, Draining:
	}
	return false
}

// gauges are the numbers that change with every job.
type gauges struct{ running, held atomic.Int64 }

func (l *ledger) count() {
	l.life.gauges.running.Store(int64(l.busy.len()))
	l.life.gauges.held.Store(int64(l.held.len()))
}

// publish lets the outside see how the consumer is.
func (l *ledger) publish() {
	state := l.state()
	since := time.Now()
	if old := l.life.health.Load(); old != nil && old.State == state {
		since = old.Since
	}
	l.life.health.Store(&Health{
		State: state, Since: since, Error: l.trouble(), Abandoned: l.abandoned, Late: l.late,
		Concurrency: l.width(), Breakers: l.breakers(),
	})
}

// trouble is the last error, as long as it has not been mended.
func (l *ledger) trouble() error {
	if !l.up {
		return l.lastError
	}
	for e := range l.held.all() {
		if e.tries > 0 {
			return l.lastError
		}
	}
	return nil
}

func (l *ledger) state() State {
	switch {
	case l.drain != nil:
		return Draining
	case !l.up:
		return Connecting
	case l.saturated():
		return Saturated
	case l.paused:
		return Paused
	case l.breakerOpen():
		return BreakerOpen
	case l.breakerProbes():
		return Probing
	}
	return Consuming
}
