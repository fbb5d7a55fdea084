package supervision

import (
	"github.com/gentask/gentask/actor"
)

// Requests are messages that any actor may send to a supervisor, without blocking. A request belongs to the supervisor from then on: it
// must not be changed or sent again. Reply may be nil. It is called once, by the supervisor, and must not block: the supervisor waits
// for it for 100 ms at most. A panic there is swallowed. If the supervisor is gone before it takes the request up, Reply is never
// called: monitor the supervisor, or ask with StartChild and its like.
type (
	// StartRequest starts a child.
	//
	// With a Reply the start is OTP's: it is answered when the child has processed Started, and a child that fails there is discarded.
	//
	// Without a Reply a dynamic supervisor doesn't wait: a child that fails in Started has crashed like any other, and is restarted as its
	// Restart says. That the request was refused is then told to ChildSpec.Notify, as an Ended with the error as its Reason.
	StartRequest struct {
		Spec  ChildSpec
		Reply func(*actor.PID, error)
		own   bool // Reply is of this package, and does not block
	}

	// TerminateRequest stops a child. It is answered when the child is gone. See TerminateChild.
	TerminateRequest struct {
		ID    string
		Reply func(error)
		own   bool
	}

	// RestartRequest starts a child that doesn't run. See RestartChild.
	RestartRequest struct {
		ID    string
		Reply func(*actor.PID, error)
		own   bool
	}

	// DeleteRequest forgets a child that doesn't run. See DeleteChild.
	DeleteRequest struct {
		ID    string
		Reply func(error)
		own   bool
	}

	// ChildRequest asks for one child. See Child.
	ChildRequest struct {
		ID    string
		Reply func(ChildInfo, error)
		own   bool
	}

	// ChildrenRequest asks for all children. See Children.
	ChildrenRequest struct {
		Reply func([]ChildInfo, error)
		own   bool
	}

	// CountRequest asks how many children there are. See Count.
	CountRequest struct {
		Reply func(Counts, error)
		own   bool
	}

	// TypesRequest asks how many children of each type there are. See CountTypes.
	TypesRequest struct {
		Reply func(TypeCounts, error)
		own   bool
	}
)

// request is any of the above.
type request interface {
	// shield makes Reply harmless, if it is the user's.
	shield(b *base)
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
	// Supervisor reports whether the child is a supervisor of this package. It is false before the first start.
	Supervisor bool
	// LastReason is how the last incarnation ended, or why its start failed: nil if none has ended, or ended normally.
	LastReason error
}

// Counts holds how many children a supervisor has.
type Counts struct {
	// Specs is how many it knows: for a static supervisor those too that don't run.
	Specs int
	// Active is how many live, those that start or stop included.
	Active int
	// Restarting is how many wait for their restart.
	Restarting int
}

// TypeCounts holds how many children of each type a supervisor has, as OTP's count_children.
type TypeCounts struct {
	// Specs is how many children there are, and Active how many of them live.
	Specs  int
	Active int
	// Supervisors and Workers are how many of Specs are supervisors of this package, and how many are not.
	Supervisors int
	Workers     int
}

// ChildState is where a child stands.
type ChildState uint8

const (
	// Idle says that it is known to a static supervisor, but neither running nor to be restarted.
	Idle ChildState = iota
	// Starting says that it was spawned, and has not processed Started.
	Starting
	// Running is the normal state.
	Running
	// Stopping says that it was told to stop, or killed.
	Stopping
	// Restarting says that it has ended and will be started again, after its back-off and its BeforeRestart.
	Restarting
)

// String returns the constant's name.
func (s ChildState) String() string {
	return nameOf(s, "Idle", "Starting", "Running", "Stopping", "Restarting")
}
