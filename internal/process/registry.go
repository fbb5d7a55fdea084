package process

import (
	"errors"
	"strconv"

	pa "github.com/asynkron/protoactor-go/actor"
)

// Register enters p into the registry, under a new name that begins with prefix.
func Register(sys *pa.ActorSystem, p pa.Process, prefix string) *pa.PID {
	for {
		if pid, free := sys.ProcessRegistry.Add(p, prefix+sys.ProcessRegistry.NextId()); free {
			return pid
		}
	}
}

// ErrSystem32 is the error of a system that protoactor-go has made, on a 32-bit platform. Its
// registry panics for every other name.
var ErrSystem32 = errors.New("actor: on a 32-bit platform, the registry of an actor system that " +
	"protoactor-go has made panics for every other name; want a system made by actor.NewSystem")

// CheckSystem returns [ErrSystem32] for a system that can't work on this platform, and otherwise
// nil. On 64-bit platforms it always returns nil.
func CheckSystem(sys *pa.ActorSystem) error {
	if strconv.IntSize == 32 && len(sys.ProcessRegistry.LocalPIDs.LocalPIDs) > 1 {
		return ErrSystem32
	}
	return nil
}

// Native is a process of this module that is no actor of protoactor-go's. A message stops it, and
// it leaves the registry before it reports its end.
type Native interface {
	pa.Process
	// Native marks the process.
	Native()
}

// Monitor is the process of a monitor.
type Monitor interface {
	pa.Process
	// Ended takes the exit reason of the actor that lived at pid. It may be called more than once.
	Ended(pid *pa.PID, reason error)
}

// ReportEnd reports the end of the actor at pid to watcher. A monitor gets the reason, and any
// other process a Terminated of protoactor-go's. A watcher that has ended is left out, because a
// dead letter about it would be noise.
func ReportEnd(sys *pa.ActorSystem, watcher, pid *pa.PID, reason error) {
	p, ok := sys.ProcessRegistry.Get(watcher)
	if !ok {
		return
	}
	if m, ok := p.(Monitor); ok {
		m.Ended(pid, reason)
		return
	}
	p.SendSystemMessage(watcher, &pa.Terminated{Who: pid})
}
