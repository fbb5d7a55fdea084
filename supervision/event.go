package supervision

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// Event is an event in a supervisor. Events of one supervisor come one by one and in order. The
// supervisor waits until OnEvent has returned, for 100 ms at most. Then it goes on, and further
// events wait, up to 1,000 of them. A panic or a runtime.Goexit in OnEvent is recovered.
type Event struct {
	Kind EventKind
	// Supervisor is the supervisor of the event.
	Supervisor *actor.PID
	// ID and PID are those of the child. ID is empty for SupervisorStopping. PID is nil for an
	// event without an incarnation.
	ID  string
	PID *actor.PID
	// Reason is the exit reason, or why a start failed or the supervisor stops.
	Reason error
	// Restarts is how often the child has been restarted so far.
	Restarts int
	// Delay is the back-off before a restart.
	Delay time.Duration
	// Dropped is how many events before this one were dropped because OnEvent did not return in
	// time.
	Dropped int
}

// EventKind is the kind of an [Event].
type EventKind uint8

const (
	// ChildStarted means that the child runs. A static supervisor reports it when the child has
	// processed Started.
	ChildStarted EventKind = iota
	// ChildStartFailed means that a start failed, with Reason.
	ChildStartFailed
	// ChildExited means that an incarnation has ended, with Reason. It comes before the event of
	// what follows.
	ChildExited
	// ChildRestarting means that the child will be restarted, after Delay and after its
	// BeforeRestart.
	ChildRestarting
	// ChildGivenUp means that the child is not restarted although its Restart requires it. Reason
	// is its own intensity, or the refusal of its BeforeRestart.
	ChildGivenUp
	// ChildKilled means that the child has not stopped in its Shutdown time and is killed.
	ChildKilled
	// ChildAbandoned means that the child could not even be killed, because its Receive, or a child
	// of its own, goes on. It is left behind.
	ChildAbandoned
	// ChildEndedLate means that a child that was abandoned has ended, with Reason.
	ChildEndedLate
	// SupervisorStopping means that the supervisor begins to stop its children, for Reason.
	SupervisorStopping
	// ChildDeclined means that a child has declined to run: see [ErrIgnore].
	ChildDeclined
)

// String returns the constant's name.
func (k EventKind) String() string {
	return nameOf(k, "ChildStarted", "ChildStartFailed", "ChildExited", "ChildRestarting", "ChildGivenUp",
		"ChildKilled", "ChildAbandoned", "ChildEndedLate", "SupervisorStopping", "ChildDeclined")
}
