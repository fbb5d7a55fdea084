package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/process"
)

// close starts the end of the actor, once.
func (m *mailbox) close(reason error) {
	if m.phase != open {
		return
	}
	m.phase = closing
	m.blame(reason)
	m.stopTimers()
	m.stopForeign()
	m.inv.InvokeSystemMessage(&pa.Stop{})
	m.markTold()
	m.progress()
}

// blame sets the exit reason. A crash stays: neither Exit nor a later crash hides it.
func (m *mailbox) blame(reason error) {
	if !Abnormal(m.reason) {
		m.reason = reason
	}
}

// maxRounds is how often an actor may have new children while it stops. An actor with a new child
// for each that ends would never be done.
const maxRounds = 1000

// progress is called when an event that a stop waits for has happened. It stops the children that a
// handler spawned meanwhile, because nothing else would. When the stop is complete, protoactor-go
// has taken the actor out of the registry and run its Stopped handler.
func (m *mailbox) progress() {
	if m.stopNewcomers() {
		m.rare.rounds++
	}
	switch {
	case !Alive(m.sys, m.self):
		m.tellAll()
	case m.rare != nil && m.rare.rounds > maxRounds:
		m.force()
	}
}

// failed is called when the user's code panicked or called Goexit. It runs no user code
// itself: the next turn finishes the work.
func (m *mailbox) failed(reason error) {
	m.broken = true
	if m.phase != dead {
		m.blame(reason)
	}
}

// mend continues where a handler broke off.
func (m *mailbox) mend() {
	m.broken = false
	switch m.phase {
	case open:
		m.close(m.reason)
	case closing:
		if len(m.ctx().Children()) > 0 && Alive(m.sys, m.self) {
			m.progress()
			return
		}
		m.finalize()
	case dead:
		m.tellAll()
	}
}

// finalize ends an actor that has no more children, as protoactor-go does, when the handler of
// Stopping, Terminated or Stopped failed. A Stopped handler that failed is not run again.
func (m *mailbox) finalize() {
	if Alive(m.sys, m.self) {
		m.sys.ProcessRegistry.Remove(m.self)
		m.inv.InvokeUserMessage(&Stopped{})
	}
	m.force()
}

// force ends an actor whose own handlers prevent it.
func (m *mailbox) force() {
	m.stopNewcomers()
	m.ctx().CancelReceiveTimeout()
	m.sys.ProcessRegistry.Remove(m.self)
	process.System(m.sys, m.ctx().Parent(), &pa.Terminated{Who: m.self})
	m.tellAll()
}

// tellAll reports the end to the parent, if it asked for that, and to all watchers. If it is broken
// off, it can be called again.
func (m *mailbox) tellAll() {
	m.phase = dead
	parent := m.ctx().Parent()
	if parent != nil && m.watchers.Len() > 0 {
		m.watchers.Remove(parent) // it has had its Terminated
	}
	if m.link.exited {
		m.link.exited = false
		process.Notify(m.sys, parent, &Exited{PID: m.self, Reason: m.reason})
	}
	for m.watchers.Len() > 0 {
		w := m.watchers.Get(m.watchers.Len() - 1)
		m.watchers.Remove(w)
		process.ReportEnd(m.sys, w, m.self, m.reason)
	}
	m.watchers, m.rare, m.inv = pa.PIDSet{}, nil, nil
}
