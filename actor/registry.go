package actor

import (
	"errors"
	"strconv"

	pa "github.com/asynkron/protoactor-go/actor"
)

// register enters p into the registry, under a name that begins with prefix and that nobody has.
func register(sys *System, p pa.Process, prefix string) *PID {
	for {
		if pid, free := sys.ProcessRegistry.Add(p, prefix+sys.ProcessRegistry.NextId()); free {
			return pid
		}
	}
}

// ErrSystem32 is returned by [CheckSystem].
var ErrSystem32 = errors.New("actor: on a 32-bit platform, the registry of an actor system that " +
	"protoactor-go has made panics for every other name; want a system made by actor.NewSystem")

// CheckSystem returns [ErrSystem32] for a system that can't work on this platform, and otherwise
// nil. [SpawnRoot] panics with the error. On 64-bit platforms it always returns nil.
func CheckSystem(sys *System) error {
	if strconv.IntSize == 32 && len(sys.ProcessRegistry.LocalPIDs.LocalPIDs) > 1 {
		return ErrSystem32
	}
	return nil
}

// mend32 makes a system work on 32-bit platforms, before anybody uses it. protoactor-go takes the
// hash of a name, as an int, modulo the number of its tables: the index is negative for half of the
// names there. With one table it is always zero. That table has 32 parts, each with a lock of its
// own.
func mend32(sys *System) {
	registry := sys.ProcessRegistry.LocalPIDs
	one := registry.LocalPIDs[0]
	for _, table := range registry.LocalPIDs[1:] {
		for id, process := range table.Items() {
			one.Set(id, process)
		}
	}
	registry.LocalPIDs = registry.LocalPIDs[:1:1]
}
