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

	// SharedIDs counts the deliveries whose ID another message had that came shortly before. A publisher who means well gives each message its
	// own: Cancel, Jobs and events can't tell apart those that share one, and a Batch takes one of them at a time.
	SharedIDs int

	// Breakers are the breakers that are not closed: the consumer's own, and at most 100 of Policy.KeyBreaker, those that come first by key.
	// KeyBreakers counts all of those.
	Breakers    []BreakerHealth
	KeyBreakers int

	// Turn is when the consumer's ledger last made its round, which it does twice a second; zero before
	// the start and after the end.
	Turn time.Time

	// Hooks is how functions that were handed in misbehave, by name, such as "Config.OnEvent" or
	// "Order.Key". Those whose calls all returned in time are left out; nil if all are.
	Hooks map[string]HookHealth
	// PutOff is how often a message was put off that this node can't do, and another may: see Config.Unknown. Unknown is why the last of them was;
	// nil if none was. When PutOff grows on every node, nobody can.
	PutOff  int
	Unknown error
}

// turnLimit is how old the last turn of a ledger that works may be.
const turnLimit = 2 * time.Second

// stands reports whether the ledger has not turned for too long.
func (h Health) stands() bool { return !h.Turn.IsZero() && time.Since(h.Turn) > turnLimit }

// Healthy says whether the consumer does what it was told: it consumes, or is paused, or its breaker is open, and its settlements are taken. What a
// breaker tells of is for an alarm; to start the process anew doesn't mend it, and forgets what the breaker knows. A Health whose Turn is more than
// 2 s ago is not healthy, whatever else it says.
func (h Health) Healthy() bool {
	if h.stands() {
		return false
	}
	switch h.State {
	case Consuming, Paused, BreakerOpen, Probing:
		return h.Error == nil
	case Stopped, Connecting, Saturated, Draining:
	}
	return false
}

const (
	// standLimit is for how long a ledger may make no turn before it is worth restarting the process. A
	// machine that is suspended or short of CPU comes back by itself in less.
	standLimit = 10 * time.Second

	// saturationLimit is how long abandoned tasks may take all that MaxAbandoned allows. Those of an
	// outage return when their connections time out.
	saturationLimit = 10 * time.Minute
)

// Alive reports whether the process is worth keeping, for a liveness probe. It is false in three cases,
// which a restart ends and nothing else may:
//
//   - the consumer has given up: it is stopped, with an Error
//   - it stands: its Turn is more than 10 s ago
//   - it has been Saturated for more than 10 minutes, by tasks that ignore their context
//
// A consumer that was not started, connects to a broker that is away, is paused, drains, or was stopped
// is alive, whether it is [Health.Healthy] or not.
func (h Health) Alive() bool {
	switch {
	case h.State == Stopped:
		return h.Error == nil
	case !h.Turn.IsZero() && time.Since(h.Turn) > standLimit:
		return false
	case h.State == Saturated:
		return time.Since(h.Since) <= saturationLimit
	}
	return true
}

// gauges are the numbers that change with every job.
type gauges struct {
	running, held atomic.Int64
	turn          atomic.Pointer[time.Time] // of the ledger's last round
}

// set lets the outside see how many jobs run, and how many deliveries are held.
func (g *gauges) set(running, held int) {
	g.running.Store(int64(running))
	g.held.Store(int64(held))
}

// HookHealth is how the calls of a function that was handed in have ended, where that was not by
// returning in time.
type HookHealth struct {
	// Failed is how many calls panicked or called runtime.Goexit, and Late how many did not return in
	// time.
	Failed, Late int

	// Hung is how many of the late ones still run. At 16 the function is not called any more until one of
	// them returns.
	Hung int

	// Refused is how many calls were not made for that reason.
	Refused int

	// Lost is how many events or log records were dropped because too many waited for the function.
	Lost int
}
