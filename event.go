package gentask

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// EventKind says what an Event is about. The set is closed.
type EventKind uint8

const (
	// EventReceived is told once for each delivery, when it is received.
	EventReceived EventKind = iota + 1
	// EventStarted is told when a delivery gets its slot and a worker, at most once. Its run follows,
	// unless the payload can't be decoded or [Policy].Dedup knows the message. A delivery that goes back
	// unstarted has none.
	EventStarted
	// EventDone is told once for each delivery, when it has been settled or lost, and its worker and task are gone.
	EventDone
	// EventSessionOpened says that deliveries flow.
	EventSessionOpened
	// EventSessionLost says that the session is over, for Reason; what it held is lost. The next one is opened after a while.
	EventSessionLost
	// EventOpenFailed says that no session could be opened, for Reason. It is tried again after a while.
	EventOpenFailed
	// EventSettleFailed says that the broker did not take a settlement, for Reason. The delivery is held, and it is tried again after a while.
	EventSettleFailed
	// EventAbandoned says that a task did not return within its grace; Count is how many of them still run.
	EventAbandoned
	// EventWorkersLost says that the worker supervisor ended, for Reason, and was started anew.
	EventWorkersLost
	// EventHealed says that the watchdog found what must never be, in Reason, and mended it: ErrWorkerIdle and ErrHandleResult tell of a worker.
	EventHealed
	// EventPaused follows Pause and PauseConsumer; Reason is that of the job whose decision it was, if one's was.
	EventPaused
	// EventResumed follows Resume.
	EventResumed
	// EventBreakerOpened says that Policy.Breaker takes no more work, or Policy.KeyBreaker none of Key, because of failures like Reason; it probes
	// after After.
	EventBreakerOpened
	// EventBreakerProbing says that the breaker lets one job at a time run.
	EventBreakerProbing
	// EventBreakerClosed says that the breaker lets everything run again.
	EventBreakerClosed
	// EventDraining says that the consumer has begun to stop.
	EventDraining
	// EventDrained says that the consumer has stopped, with Report.
	EventDrained
	// EventGaveUp says that the consumer ends by itself, for Reason.
	EventGaveUp
	// EventDedupFailed says that the store of Policy.Dedup failed, for Reason; the job is run, or acknowledged, all the same.
	EventDedupFailed
	// EventSuspect says that a delivery is run alone: see Policy.IsolateSuspects.
	EventSuspect
	// EventDriverStuck says that the driver does not return, although its context ended more than 5 s ago: a bug of its own. The session is left
	// behind, and with it a goroutine; the broker may go on to count what it held as held. The next one is opened all the same.
	EventDriverStuck
	// EventReturned is told when the broker has not taken a settlement and the delivery was returned to it instead, unsettled and by a way that
	// needs no copy. Disposition is what was wanted, After how long the message should stay away, Reason why it was refused. The broker
	// delivers the message again; see docs/life-of-a-job.md for what becomes of it. Its EventDone follows.
	EventReturned
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
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is something that happened in a consumer. Fields that say nothing about its kind are zero.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Consumer string // Config.Name

	// The delivery, for EventReceived, EventStarted, EventDone, EventSettleFailed, EventReturned,
	// EventSuspect, EventDedupFailed, and an EventHealed that concerns one.
	ID          string
	Attempt     int
	Redelivered bool

	// Disposition is how the delivery was settled, for EventDone; zero if it was lost with its session, or returned unsettled (Reason wraps
	// ErrReturned then). After is the delay of a requeue.
	Disposition queue.Disposition
	After       time.Duration

	// InPlace says that a requeue or a release was carried out here, for the sake of Order.Strict: the delivery is still held, and its next
	// EventReceived follows. The broker heard nothing.
	InPlace bool

	// Outcome is how its task ended, for EventDone; zero if it did not run, as when Policy.Dedup knew it (Reason is ErrDuplicate then).
	Outcome task.Status

	// QueueTime is from the message's publishing, or if that is unknown from its receipt, until it was
	// given to a worker, for EventStarted and EventDone; zero if it was not. RunTime is how long its
	// task ran, for EventDone.
	QueueTime time.Duration
	RunTime   time.Duration

	// Reason is why: of the settlement, or of what the kind says.
	Reason error

	// Key is whose breaker it is, for EventBreakerOpened and what follows it; empty for the consumer's own.
	Key string

	// Count is for EventAbandoned, Report for EventDrained.
	Count  int
	Report *DrainReport
}

// DrainReport says how a consumer was drained.
type DrainReport struct {
	// Finished is how many running jobs ended by themselves, and were settled.
	Finished int
	// Returned is how many deliveries went back to the queue: unstarted, or cancelled.
	Returned int
	// Cancelled are the IDs of the jobs that did not finish in time and were cancelled.
	Cancelled []string
	// Abandoned are the IDs of those among them whose task did not return within the grace either: its goroutine still runs.
	Abandoned []string
	// Lost is how many deliveries were lost because their session ended, or would not take their settlement; the broker delivers them again.
	Lost int
}
