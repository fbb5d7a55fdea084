package supervision

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// Restart says when a child that has ended is started again.
type Restart uint8

const (
	// Permanent children are always restarted.
	Permanent Restart = iota
	// Transient children are restarted unless they end normally, or with a reason that wraps actor.ErrShutdown.
	Transient
	// Temporary children are never restarted, not even when it was a sibling's failure that stopped them.
	Temporary
)

// String returns the constant's name.
func (r Restart) String() string { return nameOf(r, "Permanent", "Transient", "Temporary") }

const (
	// DefaultShutdown is how long a child may take to stop if ChildSpec.Shutdown is 0.
	DefaultShutdown = 5 * time.Second

	// Infinity as a child's Shutdown waits for it without limit. It is right for children that are supervisors: they limit themselves.
	Infinity time.Duration = -1

	// Brutal as a child's Shutdown kills it instead of telling it to stop: messages that wait are dropped, and it can't trap the stop.
	Brutal time.Duration = -2

	// KillTime is how long a child that was killed may take to be gone, before it is abandoned. Only a child whose Receive is running, or
	// which has children of its own, needs any of it.
	KillTime = 100 * time.Millisecond
)

// ChildSpec says how a supervisor starts, stops and restarts one child. Only Props is mandatory, and, for static supervisors, ID.
type ChildSpec struct {
	// ID names the child for requests, events and reports; it stays the same over restarts. It must be unique among the supervisor's
	// children. A dynamic supervisor makes one up for a child without: the Id of its first PID.
	ID string

	// Props is called for each start, immediately before the spawn. A start whose Props panics, calls runtime.Goexit, returns nil or
	// takes longer than [PropsTime] has failed. See [Func] for functions.
	Props func() *actor.Props

	// Restart is Permanent, Transient or Temporary. Default: Permanent.
	Restart Restart

	// Shutdown is how long the child may take to stop; after that it is killed, and after another KillTime abandoned. 0 is DefaultShutdown,
	// -1 Infinity, -2 Brutal.
	Shutdown time.Duration

	// Significant children take part in the automatic shutdown of a static supervisor: see AutoShutdown. They can't be permanent.
	Significant bool

	// Notify, if not nil, gets one *Ended when the child is gone for good. Tag comes with it; it means nothing to the supervisor.
	Notify *actor.PID
	Tag    any

	// BeforeRestart, if not nil, holds each restart back until it calls resume, from any goroutine, now or later; the child counts as
	// restarting meanwhile. resume(false) gives the restart up, as do a panic and a runtime.Goexit. Only the first call of resume counts.
	// BeforeRestart gets the reason of the end. The supervisor waits for its return for 100 ms at most, and then goes on. It is not
	// called for a restart that exceeds the intensity. A back-off runs at the same time.
	BeforeRestart func(reason error, resume func(restart bool))
}

// validate refuses what no supervisor can work with. field is where the spec stands in what the user wrote.
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

// wantsRestart says whether a child that has ended with reason is to be started again.
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

// Ended tells whoever ChildSpec.Notify names that a child is gone for good: it ended and is not to be restarted, it was given up, it was
// terminated by hand, its supervisor stopped in an orderly way, or it never started. Whoever must hear of the end of a supervisor that crashes
// or is killed monitors the supervisor.
type Ended struct {
	ID string
	// Tag is ChildSpec.Tag.
	Tag any
	// PID is the last incarnation's, nil if there was none.
	PID *actor.PID
	// Reason is nil for a normal end. It is actor.ErrKilled for a child that was abandoned.
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
