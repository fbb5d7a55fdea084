package supervision

import (
	"github.com/gentask/gentask/actor"
)

// Requests are messages that any actor may send to a supervisor, without blocking. A request belongs to the supervisor from then on: it is not
// to be changed or sent again. Reply may be nil. It is called once, in the supervisor's goroutine, and must not block; a panic there is
// swallowed. If the supervisor is gone before it takes the request up, it is never called: monitor the supervisor, or ask with
// StartChild and its like.
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
	}

	// TerminateRequest stops a child. It is answered when the child is gone. See TerminateChild.
	TerminateRequest struct {
		ID    string
		Reply func(error)
	}

	// RestartRequest starts a child that doesn't run. See RestartChild.
	RestartRequest struct {
		ID    string
		Reply func(*actor.PID, error)
	}

	// DeleteRequest forgets a child that doesn't run. See DeleteChild.
	DeleteRequest struct {
		ID    string
		Reply func(error)
	}

	// ChildrenRequest asks for all children. See Children.
	ChildrenRequest struct {
		Reply func([]ChildInfo, error)
	}

	// CountRequest asks how many children there are. See Count.
	CountRequest struct {
		Reply func(Counts, error)
	}
)

// ChildInfo describes one child.
type ChildInfo struct {
	ID string
	// PID is nil when no incarnation lives.
	PID      *actor.PID
	State    ChildState
	Restart  Restart
	Restarts int
}

// Counts says how many children a supervisor has.
type Counts struct {
	// Specs is how many it knows: for a static supervisor those too that don't run.
	Specs int
	// Active is how many live, those that start or stop included.
	Active int
	// Restarting is how many wait for their restart.
	Restarting int
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

// refuse answers a request with err, and says whether msg was one.
func (b *base) refuse(msg any, err error) bool {
	switch m := msg.(type) {
	case *StartRequest:
		b.answerStart(m, nil, err)
	case *TerminateRequest:
		b.answer(m.Reply, err)
	case *RestartRequest:
		b.answerPID(m.Reply, nil, err)
	case *DeleteRequest:
		b.answer(m.Reply, err)
	case *ChildrenRequest:
		if m.Reply != nil {
			_ = guard(func() { m.Reply(nil, err) })
		}
	case *CountRequest:
		if m.Reply != nil {
			_ = guard(func() { m.Reply(Counts{}, err) })
		}
	default:
		return false
	}
	return true
}

// answerStart tells the outcome of a start; nobody but Notify hears of a failure that nobody asked about.
func (b *base) answerStart(m *StartRequest, pid *actor.PID, err error) {
	switch {
	case m.Reply != nil:
		b.answerPID(m.Reply, pid, err)
	case err != nil && m.Spec.Notify != nil:
		actor.Send(b.ctx.ActorSystem(), m.Spec.Notify, &Ended{ID: m.Spec.ID, Tag: m.Spec.Tag, Reason: err})
	}
}

func (b *base) answerPID(reply func(*actor.PID, error), pid *actor.PID, err error) {
	if reply != nil {
		_ = guard(func() { reply(pid, err) })
	}
}

func (b *base) answer(reply func(error), err error) {
	if reply != nil {
		_ = guard(func() { reply(err) })
	}
}
