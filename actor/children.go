package actor

import (
	"time"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/process"
)

// rare is the state of a mailbox that most actors never need.
type rare struct {
	told   pa.PIDSet // while closing: the children that were stopped; all of them are still children
	rounds int       // while closing: how often there were new children to stop
	timers map[string]*timer
}

func (m *mailbox) more() *rare {
	if m.rare == nil {
		m.rare = &rare{}
	}
	return m.rare
}

// advance hands a Terminated to the actor, which may be the last that its stop waits for.
//
// protoactor-go decides whether it ends a child, by the child's address and Id. A name can be used
// again, and any code can forge a message: so the end of a child that lives is not believed.
func (m *mailbox) advance(t *pa.Terminated) {
	switch {
	case t.Why == process.Released && !m.isChild(t.Who):
		return // its own Terminated has come before
	case t.Why < 0:
		t = &pa.Terminated{Who: t.Who}
	case m.lives(t.Who):
		return
	}
	if m.rare != nil {
		m.rare.told.Remove(t.Who)
	}
	m.inv.InvokeSystemMessage(t)
	if m.phase == closing {
		m.progress()
	}
}

// lives reports whether pid is a child of which another end is sure to come. All processes of
// protoactor-go and of this module leave the registry before they report their end. Other processes
// do so only because of tellStop.
func (m *mailbox) lives(pid *PID) bool {
	p, ok := m.sys.ProcessRegistry.Get(pid)
	if !ok || !m.isChild(pid) {
		return false
	}
	return !foreign(m.sys, p, pid) || m.rare != nil && m.rare.told.Contains(pid)
}

// isChild reports whether pid is a child. It takes time in proportion to the number of children.
func (m *mailbox) isChild(pid *PID) bool {
	for _, child := range m.ctx().Children() {
		if child.Id == pid.Id && child.Address == pid.Address {
			return true
		}
	}
	return false
}

// markTold notes that protoactor-go has stopped all children.
func (m *mailbox) markTold() {
	if !Alive(m.sys, m.self) {
		return // it had none; those of its Stopped handler are newcomers
	}
	for _, child := range m.ctx().Children() {
		m.more().told.Add(child)
	}
}

// stopForeign stops the children that a message of protoactor-go's does not stop, and notes that.
func (m *mailbox) stopForeign() {
	for _, child := range m.ctx().Children() {
		if p, ok := m.sys.ProcessRegistry.Get(child); ok && foreign(m.sys, p, child) {
			m.more().told.Add(child)
			m.tellStop(child)
		}
	}
}

// stopNewcomers stops the children that have not been stopped yet, and reports whether there were
// any. The newest are last, unless one that ended has made room for it.
func (m *mailbox) stopNewcomers() bool {
	children := m.ctx().Children()
	if m.rare == nil && len(children) == 0 {
		return false
	}
	told := &m.more().told
	news := len(children) - told.Len()
	for i := len(children) - 1; i >= 0 && told.Len() < len(children); i-- {
		if child := children[i]; !told.Contains(child) {
			told.Add(child)
			m.tellStop(child)
		}
	}
	return news > 0
}

// foreignGrace is how long a foreign process may take to leave the registry after its Stop has
// returned.
const foreignGrace = 10 * time.Second

// tellStop stops a child without waiting. A foreign child counts as ended when its Stop has
// returned and it has left the registry, or foreignGrace later.
func (m *mailbox) tellStop(child *PID) {
	sys, self := m.sys, m.self
	release := func() { process.System(sys, self, &pa.Terminated{Who: child, Why: process.Released}) }
	stop(sys, child, func() {
		if Alive(sys, child) {
			time.AfterFunc(foreignGrace, release)
			return
		}
		release()
	})
}

// foreign reports whether p, at pid, is a process in this program without a mailbox of
// protoactor-go's or of this module, such as a router. A stop message is not enough for one: a
// router answers it with its Terminated, and lives on.
func foreign(sys *System, p pa.Process, pid *PID) bool {
	switch p.(type) {
	case *pa.ActorProcess, process.Native:
		return false
	}
	return pid.Address == sys.Address() || pid.Address == localAddress
}

// localAddress is that of processes in a program without remote actors.
const localAddress = "nonhost"

// stop stops the process at pid, and doesn't wait. For a foreign one, done is called when its Stop
// has returned.
func stop(sys *System, pid *PID, done func()) {
	p, ok := sys.ProcessRegistry.Get(pid)
	switch {
	case !ok:
	case foreign(sys, p, pid):
		go func() { // not on the dispatcher: a router's Stop waits for its routees, for 10 s at most
			defer done()
			contain(func() { p.Stop(pid) })
		}()
	default:
		p.SendSystemMessage(pid, &pa.Stop{})
	}
}

// contain runs f, and drops a panic: there is no actor to report it to.
func contain(f func()) {
	defer func() { _ = recover() }()
	f()
}
