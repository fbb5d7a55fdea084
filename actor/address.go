package actor

import (
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"
)

// address is the place in the registry of a process that is no actor of protoactor-go's. Most such processes live for a moment and die without
// anybody asking for their PID, and the registry is a fifth of what a short life costs: so the place is taken when somebody asks.
//
// mu also guards what the process around it has to guard.
type address struct {
	mu       sync.Mutex
	sys      *System
	name     string // the first part of the PID's Id; the rest is made up
	pid      *PID   // nil until somebody asks
	watchers *pa.PIDSet
	over     bool
	reason   error
}

// take returns the PID of p, whose address this is: nil before its start. One who asks after the end gets a PID at which nobody lives.
func (a *address) take(p pa.Process) *PID {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pid == nil && a.sys != nil {
		if a.over {
			a.pid = a.sys.NewLocalPID(a.name + a.sys.ProcessRegistry.NextId())
		} else {
			a.pid = register(a.sys, p, a.name)
		}
	}
	return a.pid
}

// leave gives the place up, and tells the watchers.
func (a *address) leave(reason error) {
	a.mu.Lock()
	a.over, a.reason = true, reason
	pid, watchers := a.pid, a.watchers
	a.watchers = nil
	a.mu.Unlock()
	if pid == nil {
		return // nobody can have watched
	}
	a.sys.ProcessRegistry.Remove(pid)
	if watchers != nil {
		watchers.ForEach(func(_ int, w *PID) { a.tell(w) })
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

func (a *address) watch(watcher *PID) {
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

func (a *address) unwatch(watcher *PID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers != nil {
		a.watchers.Remove(watcher)
	}
}

// tell is called after the end: reason doesn't change any more.
func (a *address) tell(watcher *PID) {
	tellEnd(a.sys, watcher, &Exited{PID: a.pid, Reason: a.reason})
}

// Go runs f on a goroutine of its own, or as [SystemConfig.Dispatcher] has it. f must not panic.
func Go(sys *System, f func()) { schedule(sys, f) }

// schedule runs f on a goroutine of the system's dispatcher, or of its own.
func schedule(sys *System, f func()) {
	if d := dispatcherOf(sys, nil); d != nil {
		d.Schedule(f)
		return
	}
	go f()
}

// touched is a Touch of protoactor-go's that came to who: sender gets a Touched.
type touched struct{ who, sender *PID }

// unwrap returns the message in an envelope, or the message itself. It keeps the sender of a Touch,
// which a process without a context has to answer by itself.
func unwrap(pid *PID, msg any) any {
	_, plain, sender := pa.UnwrapEnvelope(msg)
	if _, ok := plain.(*pa.Touch); ok && sender != nil {
		return &touched{who: pid, sender: sender}
	}
	return plain
}
