package supervision

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// Restart decides whether a child that has ended is started again.
type Restart uint8

const (
	// Permanent children are always restarted.
	Permanent Restart = iota
	// Transient children are restarted unless they end normally, or with a reason that wraps
	// [actor.ErrShutdown].
	Transient
	// Temporary children are never restarted, not even if a sibling's failure stopped them.
	Temporary
)

// String returns the constant's name.
func (r Restart) String() string { return nameOf(r, "Permanent", "Transient", "Temporary") }

const (
	// defaultShutdown is the time for a child to stop if ChildSpec.Shutdown is 0.
	defaultShutdown = 5 * time.Second

	// Infinity is a [ChildSpec.Shutdown] without a limit. It is right for children that are
	// supervisors, because they limit themselves.
	Infinity time.Duration = -1

	// Brutal is a [ChildSpec.Shutdown] that kills the child. Messages that wait are dropped, and
	// the child can't trap the stop.
	Brutal time.Duration = -2

	// killTime is the time for a killed child to be gone, before it is abandoned. Only a child
	// whose Receive is running, or which has children of its own, needs any of it.
	killTime = 100 * time.Millisecond
)

// ChildSpec describes one child. Only Props is mandatory, and, for static supervisors, ID.
type ChildSpec struct {
	// ID names the child in requests, events and reports. It stays the same over restarts, and must
	// be unique among the supervisor's children. For a child without an ID, a dynamic supervisor
	// uses the Id of its first PID.
	ID string

	// Props is called for each start, immediately before the spawn. A start has failed if Props
	// panics, calls runtime.Goexit, returns nil or takes longer than 5 s. See [Func] for functions.
	Props func() *actor.Props

	// Restart is [Permanent], [Transient] or [Temporary]. The zero value is Permanent.
	Restart Restart

	// Shutdown is the time for the child to stop. After it the child is killed, and after another
	// 100 ms abandoned. Zero means 5 s, -1 is [Infinity], and -2 is [Brutal].
	Shutdown time.Duration

	// Significant children take part in the automatic shutdown of a static supervisor: see
	// [AutoShutdown]. They can't be permanent.
	Significant bool

	// Notify, if not nil, gets one [*Ended] when the child is gone for good.
	Notify *actor.PID

	// BeforeRestart, if not nil, holds each restart back until it calls resume. It may do so on any
	// goroutine, now or later; meanwhile the child counts as restarting. resume(false) gives the
	// restart up, as do a panic and a runtime.Goexit. Only the first call of resume counts.
	//
	// BeforeRestart gets the reason of the end. The supervisor waits for its return for 100 ms at
	// most, and then goes on. It is not called for a restart that exceeds the intensity. A back-off
	// runs at the same time.
	BeforeRestart func(reason error, resume func(restart bool))
}

// validate refuses a spec that no supervisor can work with. field is the place of the spec in the
// user's configuration.
func (c *ChildSpec) validate(field string) error {
	switch {
	case c.Props == nil:
		return badField(field+".Props", "nil", "a function that returns the child's Props")
	case c.Restart > Temporary:
		return badField(field+".Restart", c.Restart, "Permanent, Transient or Temporary")
	case c.Shutdown < Brutal:
		return badField(field+".Shutdown", c.Shutdown, "0 (5 s), Infinity, Brutal or a positive duration")
	case c.Significant && c.Restart == Permanent:
		return badField(field+".Significant", true, "false for a Permanent child")
	}
	return nil
}

// wantsRestart reports whether a child that has ended with reason must be started again.
func (c *ChildSpec) wantsRestart(reason error) bool {
	switch c.Restart {
	case Permanent:
		return true
	case Transient:
		return actor.Abnormal(reason)
	case Temporary:
	}
	return false
}

// Ended reports to ChildSpec.Notify that a child is gone for good. It has ended and is not
// restarted, was given up, was terminated by hand, or never started. Or its supervisor has stopped
// in an orderly way. There is no Ended if the supervisor crashes or is killed: monitor the
// supervisor for that.
type Ended struct {
	ID string
	// PID is that of the last incarnation, and nil if there was none.
	PID *actor.PID
	// Reason is nil for a normal end. It is [actor.ErrKilled] for a child that was abandoned.
	Reason error
	// Restarts is how often the child was restarted.
	Restarts int
}

func nameOf[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}
