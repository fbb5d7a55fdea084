package gentask

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
)

// State is the phase of a consumer. The set is closed.
type State uint8

const (
	// Stopped means that the consumer was not started, or has ended.
	Stopped State = iota
	// Connecting means that there is no session: one is being opened, or will be after a wait.
	Connecting
	// Consuming means that deliveries flow. It is the normal state.
	Consuming
	// Paused follows [Consumer.Pause], [PauseConsumer] and [Overrides.Paused]. Running jobs go on.
	Paused
	// Saturated means that as many abandoned tasks still run as [Config.MaxAbandoned] allows. No
	// work is taken.
	Saturated
	// BreakerOpen means that [Policy.Breaker] takes no work, because most runs have failed, or
	// because of [Overrides.BreakerOpen]. Running jobs go on.
	BreakerOpen
	// Probing means that [Policy.Breaker] lets one job at a time run, to find out whether it may
	// close.
	Probing
	// Draining means that the consumer is ending.
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

// Health is a snapshot of a consumer, at most a second old.
type Health struct {
	State State

	// Since is when the state began.
	Since time.Time

	// Error is why there is no session, or why the broker did not take the last settlement. Nil
	// means that all is well.
	Error error

	// Running is how many jobs have a worker or a task. Held is how many deliveries are unsettled.
	// Abandoned is how many abandoned tasks still run.
	Running, Held, Abandoned int

	// Done, Retried and DeadLettered count the deliveries that were acknowledged, requeued for
	// another attempt, and dead-lettered, since [New].
	Done, Retried, DeadLettered uint64

	// Late is how many abandoned tasks have returned after all. Their results were dropped.
	Late int

	// Concurrency is how many jobs may run at a time, as configured, as overridden, or as found by
	// [Policy.Adaptive]. It is zero when stopped.
	Concurrency int

	// Prefetch is [Config.Prefetch], with its default.
	Prefetch int

	// Rate is the limit of all runs that is in force. The zero Rate means that there is none.
	Rate Rate

	// Overrides are in force, also while the consumer is stopped. Their map must not be changed.
	Overrides Overrides

	// SharedIDs counts the deliveries with an ID that another message had shortly before.
	// Publishers should give each message an ID of its own. [Consumer.Cancel], [Consumer.Jobs] and
	// events can't distinguish messages that share one, and a [Batch] takes one of them at a time.
	SharedIDs int

	// Standby is why the broker delivers nothing to this consumer at the moment, by its rules or an
	// operator's order, for example because another consumer is the single active one. It is empty
	// if the broker should deliver. It is known after nothing has come for two seconds, if the
	// driver implements [queue.Standby]. Such a consumer is healthy.
	Standby string

	// Starved reports whether a limit of [Policy.Fleet] has left the consumer nothing to run for
	// five seconds. It holds no deliveries then. Such a consumer is healthy: others have the limit,
	// or it has not joined its fleet, or the fleet's broker is away.
	Starved bool

	// Breakers are the breakers that are not closed: the consumer's own, and at most 100 of
	// [Policy.KeyBreaker], the first ones by key. KeyBreakers counts all of those.
	Breakers    []BreakerHealth
	KeyBreakers int

	// Turn is when the consumer's ledger last made its round, which it does twice a second. It is
	// zero before the start and after the end.
	Turn time.Time

	// Hooks are the failures of the functions that the consumer was given, by name, such as
	// "Config.OnEvent" or "Order.Key". A function whose calls all returned in time is left out. Nil
	// means that there are no failures.
	Hooks map[string]HookHealth

	// PutOff is how often a message was put off because this node can't do it and another may: see
	// [Config.Unknown]. Unknown is the reason of the last of them; nil if there was none. If PutOff
	// grows on every node, no node can do the message.
	PutOff  int
	Unknown error
}

// turnLimit is how old the last turn of a working ledger may be.
const turnLimit = 2 * time.Second

// stands reports whether the ledger has not turned for too long.
func (h Health) stands() bool { return !h.Turn.IsZero() && time.Since(h.Turn) > turnLimit }

// Healthy reports whether the consumer works as configured. That is the case if it consumes, is
// paused, or its breaker is open or probes, and if the broker takes its settlements. An open
// breaker should raise an alarm: a restart of the process doesn't mend the cause, and loses the
// breaker's state. A Health whose Turn is more than 2 s ago is not healthy, even if its other
// fields are.
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
	// standLimit is how long a ledger may make no turn before the process should be restarted. A
	// machine that is suspended or short of CPU recovers in less.
	standLimit = 10 * time.Second

	// saturationLimit is how long abandoned tasks may use all that MaxAbandoned allows. Those of an
	// outage return when their connections time out.
	saturationLimit = 10 * time.Minute
)

// Alive reports whether the process is worth keeping, for a liveness probe. It returns false in
// three cases, which a restart ends and nothing else may:
//
//   - the consumer has given up: it is stopped, with an Error
//   - it stands: its Turn is more than 10 s ago
//   - it has been Saturated for more than 10 minutes, by tasks that ignore their context
//
// A consumer is alive, healthy or not, while it connects to a broker that is away, is paused, or
// drains. It is also alive if it was not started, or was stopped.
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
	ended         [queue.DeadLetter + 1]atomic.Uint64 // by disposition
	turn          atomic.Pointer[time.Time]           // of the ledger's last round
}

// set publishes how many jobs run, and how many deliveries are held.
func (g *gauges) set(running, held int) {
	g.running.Store(int64(running))
	g.held.Store(int64(held))
}

// HookHealth counts the calls of a function that did not return in time, or were not made. The
// function is one that the consumer was given.
type HookHealth struct {
	// Failed is how many calls panicked or called runtime.Goexit. Late is how many did not return
	// in time.
	Failed, Late int

	// Hung is how many of the late ones still run. At 16 the function is not called again until one
	// of them returns.
	Hung int

	// Refused is how many calls were not made for that reason.
	Refused int

	// Lost is how many events or log records were dropped because too many waited for the function.
	Lost int
}
