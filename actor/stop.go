package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"
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

// blame sets the exit reason. A crash can't be outdone: neither Exit nor a later crash hides it.
func (m *mailbox) blame(reason error) {
	if !Abnormal(m.reason) {
		m.reason = reason
	}
}

// maxRounds is how often an actor may turn out to have new children while it stops. One that has a new one for each that ends would never
// be done.
const maxRounds = 1000

// progress is called when something that a stop waited for has happened. It stops the children that a handler spawned meanwhile, whom nobody
// else would stop. When the stop is complete, protoactor-go has taken the actor out of the registry and run its Stopped handler.
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

// failed is called when the user's code panicked or called Goexit. It runs no code of the user's itself: the next turn mends what it left.
func (m *mailbox) failed(reason error) {
	m.broken = true
	if m.phase != dead {
		m.blame(reason)
	}
}

// mend goes on where a handler broke off.
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

// finalize does what protoactor-go does with an actor that has no more children, when the handler of Stopping, Terminated or Stopped failed in
// the midst of it. A Stopped handler that failed is not run again.
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
	sendSystem(m.sys, m.ctx().Parent(), &pa.Terminated{Who: m.self})
	m.tellAll()
}

// tellAll tells the parent that asked for it, and all watchers. Should it be broken off, it can be called again.
func (m *mailbox) tellAll() {
	m.phase = dead
	exited := &Exited{PID: m.self, Reason: m.reason}
	parent := m.ctx().Parent()
	if parent != nil && m.watchers.Len() > 0 {
		m.watchers.Remove(parent) // it has had its Terminated
	}
	if m.link.exited {
		m.link.exited = false
		Notify(m.sys, parent, exited)
	}
	for m.watchers.Len() > 0 {
		w := m.watchers.Get(m.watchers.Len() - 1)
		m.watchers.Remove(w)
		tellEnd(m.sys, w, exited)
	}
	m.watchers, m.rare, m.inv = pa.PIDSet{}, nil, nil
}
