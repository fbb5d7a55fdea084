package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// EventKind is the kind of an [Event]. The set is closed.
type EventKind uint8

const (
	// EventReceived is emitted once for each delivery, when it is received.
	EventReceived EventKind = iota + 1
	// EventStarted is emitted when a delivery gets its slot and a worker, at most once. Its run
	// follows, unless the payload can't be decoded or [Policy.Dedup] finds that the message was
	// done before. A delivery that goes back unstarted has none.
	EventStarted
	// EventDone is emitted once for each delivery, when it has been settled or lost, and its worker
	// and task are gone.
	EventDone
	// EventSessionOpened is emitted when a session is open: deliveries flow.
	EventSessionOpened
	// EventSessionLost is emitted when the session is over, for Reason. The deliveries that it held
	// are lost. The next session is opened after a wait.
	EventSessionLost
	// EventOpenFailed is emitted when no session could be opened, for Reason. It is tried again
	// after a wait.
	EventOpenFailed
	// EventSettleFailed is emitted when the broker did not take a settlement, for Reason. The
	// delivery is held, and its settlement is tried again after a wait.
	EventSettleFailed
	// EventAbandoned is emitted when a task did not return within its grace. Count is how many such
	// tasks still run.
	EventAbandoned
	// EventWorkersLost is emitted when the worker supervisor ended, for Reason, and was started
	// again.
	EventWorkersLost
	// EventHealed is emitted when the watchdog found and mended an impossible state, given in
	// Reason. [ErrWorkerIdle] and [ErrHandleResult] concern a worker.
	EventHealed
	// EventPaused follows [Consumer.Pause], [PauseConsumer] and [Overrides.Paused], unless the
	// consumer was paused already. Reason is that of the job that decided to pause, if one did.
	EventPaused
	// EventResumed is emitted when nothing pauses the consumer any longer.
	EventResumed
	// EventBreakerOpened is emitted when [Policy.Breaker] takes no more work, or
	// [Policy.KeyBreaker] none of Key, because of failures like Reason. The breaker probes after
	// After.
	EventBreakerOpened
	// EventBreakerProbing is emitted when the breaker lets one job at a time run.
	EventBreakerProbing
	// EventBreakerClosed is emitted when the breaker lets everything run again.
	EventBreakerClosed
	// EventDraining is emitted when the consumer has begun to stop.
	EventDraining
	// EventDrained is emitted when the consumer has stopped, with Report.
	EventDrained
	// EventGaveUp is emitted when the consumer ends by itself, for Reason.
	EventGaveUp
	// EventDedupFailed is emitted when the store of [Policy.Dedup] failed, for Reason. The job is
	// run, or acknowledged, all the same.
	EventDedupFailed
	// EventSuspect is emitted when a delivery is run alone: see [Policy.IsolateSuspects].
	EventSuspect
	// EventDriverStuck is emitted when the driver has not returned 5 s after its context ended,
	// because of a bug of its own. The session is left behind, and a goroutine with it. The broker
	// may go on to count its deliveries as held. The next session is opened all the same.
	EventDriverStuck
	// EventReturned is emitted when the broker has not taken a settlement, and the delivery was
	// returned to it instead. It is returned unsettled, by a way that needs no copy. Disposition is
	// the settlement that was wanted, After how long the message should stay away, and Reason why
	// it was refused. The broker delivers the message again; docs/life-of-a-job.md describes what
	// becomes of it. Its EventDone follows.
	EventReturned
	// EventOverridden is emitted for each change by [Consumer.Override], which is given in
	// Override. A consumer that starts emits it for each override that is in force.
	EventOverridden
)

// String returns the kind's name in plain words.
func (k EventKind) String() string {
	switch k {
	case EventReceived:
		return "received"
	case EventStarted:
		return "started"
	case EventDone:
		return "done"
	case EventSessionOpened:
		return "session opened"
	case EventSessionLost:
		return "session lost"
	case EventOpenFailed:
		return "open failed"
	case EventSettleFailed:
		return "settlement failed"
	case EventAbandoned:
		return "task abandoned"
	case EventWorkersLost:
		return "workers lost"
	case EventHealed:
		return "healed"
	case EventPaused:
		return "paused"
	case EventResumed:
		return "resumed"
	case EventBreakerOpened:
		return "breaker opened"
	case EventBreakerProbing:
		return "breaker probing"
	case EventBreakerClosed:
		return "breaker closed"
	case EventDraining:
		return "draining"
	case EventDrained:
		return "drained"
	case EventGaveUp:
		return "gave up"
	case EventDedupFailed:
		return "dedup failed"
	case EventSuspect:
		return "suspect runs alone"
	case EventDriverStuck:
		return "driver stuck"
	case EventReturned:
		return "returned"
	case EventOverridden:
		return "overridden"
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is something that happened in a consumer. Fields that its kind doesn't use are zero.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Consumer string // Config.Name

	// The delivery, for EventReceived, EventStarted, EventDone, EventSettleFailed, EventReturned,
	// EventSuspect, EventDedupFailed, and an EventHealed that concerns one.
	ID          string
	Attempt     int
	Redelivered bool

	// JobKind is the kind of the delivery, where ID is set: see [Job.Kind].
	JobKind string

	// Trace is the trace context of the delivery's last run, where ID is set: see [Job.SetTrace].
	Trace string

	// Disposition is how the delivery was settled, for EventDone. It is zero if the delivery was
	// lost with its session, or returned unsettled; Reason wraps [ErrReturned] then. After is the
	// delay of a requeue.
	Disposition queue.Disposition
	After       time.Duration

	// InPlace reports whether a requeue or a release was carried out here, for [Order.Strict]. The
	// delivery is still held then, and its next EventReceived follows. The broker is not involved.
	InPlace bool

	// Outcome is how the task ended, for EventDone. It is zero if the job did not run, as with a
	// duplicate found by [Policy.Dedup]; Reason is [ErrDuplicate] then.
	Outcome task.Status

	// QueueTime is the time until the message was given to a worker, for EventStarted and
	// EventDone. It counts from when the message was published, or from its receipt if that is
	// unknown. It is zero if the message was given to no worker. RunTime is how long the task ran,
	// for EventDone.
	QueueTime time.Duration
	RunTime   time.Duration

	// SettleTime is how long the settlement took, for EventDone: from when the decision was passed
	// on until the broker had taken it, with further tries, at least 1 ns. It is zero if the
	// delivery was lost, returned, or settled in place.
	SettleTime time.Duration

	// Reason is the reason of the settlement, or of what happened.
	Reason error

	// Key is the key of the breaker, for EventBreakerOpened, EventBreakerProbing and
	// EventBreakerClosed. It is empty for the consumer's own.
	Key string

	// Count is for EventAbandoned, Report for EventDrained, Override for EventOverridden.
	Count    int
	Report   *DrainReport
	Override *OverrideChange
}

// DrainReport is the result of draining a consumer.
type DrainReport struct {
	// Finished is how many running jobs ended by themselves, and were settled.
	Finished int
	// Returned is how many deliveries went back to the queue: unstarted, or cancelled.
	Returned int
	// Cancelled are the IDs of the jobs that did not finish in time and were cancelled.
	Cancelled []string
	// Abandoned are the IDs of those among them whose task did not return within the grace either.
	// The goroutines of these tasks still run.
	Abandoned []string
	// Lost is how many deliveries were lost because their session ended, or would not take their
	// settlement. The broker delivers them again.
	Lost int
}
