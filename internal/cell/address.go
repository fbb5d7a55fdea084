package cell

import (
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// address is the place in the registry of a process that is no actor of protoactor-go's. The first
// call for its PID takes the place. Most such processes live for a moment and are never asked, and
// the registry is a fifth of the cost of a short life.
//
// mu also guards the fields of the process around it.
type address struct {
	mu       sync.Mutex
	sys      *actor.System
	name     string  // the first part of the PID's Id; the rest is made up
	pid      *pa.PID // nil before the first call for it
	watchers *pa.PIDSet
	over     bool
	reason   error
}

// take returns the PID of p, whose address this is: nil before its start. After the end it returns
// a PID at which no process lives.
func (a *address) take(p pa.Process) *pa.PID {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pid == nil && a.sys != nil {
		if a.over {
			a.pid = a.sys.NewLocalPID(a.name + a.sys.ProcessRegistry.NextId())
		} else {
			a.pid = process.Register(a.sys, p, a.name)
		}
	}
	return a.pid
}

// leave gives the place up, and reports the end to the watchers.
func (a *address) leave(reason error) {
	a.mu.Lock()
	a.over, a.reason = true, reason
	pid, watchers := a.pid, a.watchers
	a.watchers = nil
	a.mu.Unlock()
	if pid == nil {
		return // there can be no watchers
	}
	a.sys.ProcessRegistry.Remove(pid)
	if watchers != nil {
		watchers.ForEach(func(_ int, w *pa.PID) { a.tell(w) })
	}
}

// system handles the messages about watching.
func (a *address) system(msg any) {
	switch msg := msg.(type) {
	case *pa.Watch:
		if msg.Watcher != nil {
			a.watch(msg.Watcher)
		}
	case *pa.Unwatch:
		if msg.Watcher != nil {
			a.unwatch(msg.Watcher)
		}
	}
}

func (a *address) watch(watcher *pa.PID) {
	a.mu.Lock()
	over := a.over
	if !over {
		if a.watchers == nil {
			a.watchers = &pa.PIDSet{}
		}
		a.watchers.Add(watcher)
	}
	a.mu.Unlock()
	if over {
		a.tell(watcher)
	}
}

func (a *address) unwatch(watcher *pa.PID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers != nil {
		a.watchers.Remove(watcher)
	}
}

// tell reports the end to one watcher. It is called after the end: reason no longer changes.
func (a *address) tell(watcher *pa.PID) {
	process.ReportEnd(a.sys, watcher, a.pid, a.reason)
}

// touched is a Touch of protoactor-go's that came to who, and that sender gets a Touched for.
type touched struct{ who, sender *pa.PID }

// unwrap returns the message in an envelope, or the message itself. It keeps the sender of a Touch,
// which a process without a context must answer by itself.
func unwrap(pid *pa.PID, msg any) any {
	_, plain, sender := pa.UnwrapEnvelope(msg)
	if _, ok := plain.(*pa.Touch); ok && sender != nil {
		return &touched{who: pid, sender: sender}
	}
	return plain
}
