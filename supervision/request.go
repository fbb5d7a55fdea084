package supervision

import (
	"github.com/gentask/gentask/actor"
)

// Requests are the messages of [StartChild] and its like. A request belongs to the supervisor from
// then on. Reply may be nil. The supervisor calls it once, unless it ends before it takes the
// request up. Reply must neither block nor panic.
type (
	// startRequest starts a child.
	//
	// With a Reply the start is OTP's: it is answered when the child has processed Started, and a
	// child that fails there is discarded.
	//
	// Without a Reply a dynamic supervisor doesn't wait. A child that fails in Started has crashed
	// like any other, and is restarted as its Restart requires. If the start is refused,
	// ChildSpec.Notify gets an Ended with the error as its Reason.
	startRequest struct {
		Spec  ChildSpec
		Reply func(*actor.PID, error)
		tag   any // of a supervise.Start, and otherwise nil
	}

	// terminateRequest stops a child. It is answered when the child is gone.
	terminateRequest struct {
		ID    string
		Reply func(error)
	}

	// restartRequest starts a child that doesn't run.
	restartRequest struct {
		ID    string
		Reply func(*actor.PID, error)
	}

	// deleteRequest forgets a child that doesn't run.
	deleteRequest struct {
		ID    string
		Reply func(error)
	}

	// childRequest asks for one child.
	childRequest struct {
		ID    string
		Reply func(ChildInfo, error)
	}

	// childrenRequest asks for all children.
	childrenRequest struct {
		Reply func([]ChildInfo, error)
	}

	// countRequest asks how many children there are.
	countRequest struct {
		Reply func(Counts, error)
	}
)

// anyRequest is any of the above.
type anyRequest interface {
	// refuse answers the request with err.
	refuse(b *base, err error)
}

// ChildInfo describes one child.
type ChildInfo struct {
	ID string
	// PID is nil when no incarnation lives.
	PID      *actor.PID
	State    ChildState
	Restart  Restart
	Restarts int
	// Supervisor reports whether the child is a supervisor of this package. It is false before the
	// first start.
	Supervisor bool
	// LastReason is the reason of the last end, or of the start that failed. It is nil if no
	// incarnation has ended, or if the last one ended normally.
	LastReason error
}

// Counts is how many children a supervisor has.
type Counts struct {
	// Specs is the number of all children: for a static supervisor also of those that don't run.
	Specs int
	// Active is how many live, those that start or stop included.
	Active int
	// Restarting is how many wait for their restart.
	Restarting int
	// Supervisors and Workers are how many of Specs are supervisors of this package, and how many
	// are not.
	Supervisors int
	Workers     int
}

// ChildState is the state of a child.
type ChildState uint8

const (
	// Idle is the state of a child of a static supervisor that neither runs nor will be restarted.
	Idle ChildState = iota
	// Starting means that the child was spawned, and has not processed Started.
	Starting
	// Running is the normal state.
	Running
	// Stopping means that the child was stopped or killed, and has not ended.
	Stopping
	// Restarting means that the child has ended and will be started again, after its back-off and
	// its BeforeRestart.
	Restarting
)

// String returns the constant's name.
func (s ChildState) String() string {
	return nameOf(s, "Idle", "Starting", "Running", "Stopping", "Restarting")
}
