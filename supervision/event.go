package supervision

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// Event is something that happened in a supervisor. Events of one supervisor come one by one and in order. The supervisor waits until
// OnEvent has returned, for 100 ms at most; then it goes on without, and further events wait, up to 1,000 of them. A panic or a
// runtime.Goexit in OnEvent is swallowed.
type Event struct {
	Kind EventKind
	// Supervisor is who tells it.
	Supervisor *actor.PID
	// ID and PID are the child's. ID is empty for SupervisorStopping, PID is nil where no incarnation is concerned.
	ID  string
	PID *actor.PID
	// Reason is the exit reason, or why a start failed, or why the supervisor stops.
	Reason error
	// Restarts is how often the child has been restarted so far.
	Restarts int
	// Delay is the back-off before a restart.
	Delay time.Duration
	// Dropped is how many events before this one were dropped, because OnEvent did not return in time.
	Dropped int
}

// EventKind says what happened.
type EventKind uint8

const (
	// ChildStarted says that the child runs. A static supervisor tells it when the child has processed Started.
	ChildStarted EventKind = iota
	// ChildStartFailed says that a start failed, with Reason.
	ChildStartFailed
	// ChildExited says that an incarnation has ended, with Reason, whatever comes next.
	ChildExited
	// ChildRestarting says that the child will be restarted, after Delay and after its BeforeRestart.
	ChildRestarting
	// ChildGivenUp says that the child is not restarted although its Restart asks for it, for Reason: its own intensity, or its BeforeRestart.
	ChildGivenUp
	// ChildKilled says that the child has not stopped in its Shutdown time and is killed.
	ChildKilled
	// ChildAbandoned says that the child could not even be killed, because its Receive, or a child of its own, goes on. It is left behind.
	ChildAbandoned
	// ChildEndedLate says that a child that was abandoned has ended after all, with Reason.
	ChildEndedLate
	// SupervisorStopping says that the supervisor begins to stop its children, for Reason.
	SupervisorStopping
	// ChildDeclined is published when a child has declined to run: see [ErrIgnore].
	ChildDeclined
)

// String returns the constant's name.
func (k EventKind) String() string {
	return nameOf(k, "ChildStarted", "ChildStartFailed", "ChildExited", "ChildRestarting", "ChildGivenUp", "ChildKilled", "ChildAbandoned",
		"ChildEndedLate", "SupervisorStopping", "ChildDeclined")
}
