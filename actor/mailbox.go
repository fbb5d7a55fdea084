package actor

import (
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/process"
)

// mailbox runs one actor. It differs from protoactor-go's in how the actor may end:
//
//   - A panic or a runtime.Goexit in Receive is a crash: the actor stops with a reason.
//     protoactor-go would ask the parent's strategy, and restart in place by default. After a
//     Goexit it would process nothing ever again, not even Stop.
//   - A panic in the handlers of Stopping and Stopped can't keep the actor alive, nor can children
//     spawned while it stops.
//   - The reason of the end reaches the parent that asked for it, and every monitor, as one
//     *Exited. No end is reported before the end.
//   - An actor that traps stops gets a StopRequest instead, and ends when it calls Exit.
//
// Everything that mu does not guard belongs to the goroutine that runs the mailbox; there is one at
// a time. How an actor ends is in stop.go.
type mailbox struct {
	mu      sync.Mutex
	running bool

	link     link
	phase    phase
	trapping bool
	delayed  bool  // Ready waits for ReportReady
	broken   bool  // a handler in user code has failed, and its work must be finished
	rare     *rare // nil until it is needed

	system process.Inbox
	user   process.Inbox

	inv      pa.MessageInvoker // nil in the end: a PID can outlive the actor, and must not keep it in memory
	sys      *System
	self     *PID
	dispatch Dispatcher
	runFn    func()
	watchers pa.PIDSet // monitors and watchers in the manner of protoactor-go
	reason   error
}

// link is what the parent asked for.
type link struct {
	exited bool
	ready  bool
	born   *Actor // during the spawn: where to put the actor; may be nil
}

type phase uint8

const (
	open    phase = iota // takes messages
	closing              // was stopped: user messages are dropped
	dead                 // is out of the registry, and the end has been reported
)

func newMailbox() pa.Mailbox { return &mailbox{} }

// RegisterHandlers is called once, by the spawner, before the first message.
func (m *mailbox) RegisterHandlers(inv pa.MessageInvoker, d pa.Dispatcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inv = inv
	m.sys, m.self = m.ctx().ActorSystem(), m.ctx().Self()
	m.dispatch = process.DispatcherOf(m.sys, d)
	m.runFn = m.runGrown
	if m.link.born != nil {
		*m.link.born, m.link.born = m.ctx().Actor(), nil
	}
}

// Start does nothing: Started has been posted, and has made the mailbox run.
func (m *mailbox) Start() {}

// UserMessageCount returns how many user messages wait.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.Len()
}

// PostUserMessage queues a message and never blocks.
func (m *mailbox) PostUserMessage(msg any) {
	process.Each(msg, m.PostUserMessage)
	if last, ok := process.Last(msg); ok {
		m.postLast(last)
		return
	}
	m.mu.Lock()
	m.user.Push(msg)
	m.wake()
}

// postLast processes the message on the caller's goroutine, if no other runs the mailbox.
func (m *mailbox) postLast(msg any) {
	m.mu.Lock()
	m.user.Push(msg)
	if m.running || m.dispatch == nil || process.DispatcherOf(m.sys, nil) != nil {
		m.wake()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.run()
}

// PostSystemMessage queues a message that overtakes the user's.
func (m *mailbox) PostSystemMessage(msg any) {
	switch msg := msg.(type) { // the caller of these is the actor itself, on the mailbox's goroutine
	case *trapCall:
		m.trapping = true // now: a stop may be in the queue already
		return
	case *timerCall:
		m.timer(msg)
		return
	case *whoCall:
		msg.mailbox = m
		return
	}
	m.mu.Lock()
	m.system.Push(msg)
	m.wake()
}

// wake unlocks mu. A mailbox without handlers waits for Started: an init function in the Props has
// sent its actor a message.
func (m *mailbox) wake() {
	idle := !m.running && m.dispatch != nil
	m.running = m.running || idle
	m.mu.Unlock()
	if idle {
		m.schedule()
	}
}

// schedule survives a dispatcher that panics, which is no fault of the sender.
func (m *mailbox) schedule() {
	defer func() {
		if recover() != nil {
			go m.runFn()
		}
	}()
	m.dispatch.Schedule(m.runFn)
}

// runGrown grows the stack once, while it is one frame deep. A fresh goroutine would copy it two or
// three times on the way to the user's code. That is a third of the cost of a short-lived actor.
func (m *mailbox) runGrown() {
	growStack()
	m.run()
}

// run processes as many messages as its dispatcher grants, and schedules itself again if there may
// be more. A Goexit does so, too.
func (m *mailbox) run() {
	more := true
	defer func() {
		if more {
			m.schedule()
		}
	}()
	more = m.turn(max(m.dispatch.Throughput(), 1))
}

// turn processes up to n messages. It returns false when none is left, and true after n messages or
// a failure.
func (m *mailbox) turn(n int) (more bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		m.failed(Recovered(recover(), returned))
		more = true
	}()
	if m.broken {
		m.mend()
	}
	for range n {
		msg, from := m.next()
		switch {
		case from == nothing:
			returned = true
			return false
		case from == system:
			m.invokeSystem(msg)
		case m.phase == open:
			m.invokeUser(msg)
		}
	}
	returned = true
	return true
}

func (m *mailbox) invokeUser(msg any) {
	if t, ok := msg.(*timer); ok {
		if msg, ok = m.fired(t); !ok {
			return
		}
	}
	m.inv.InvokeUserMessage(msg)
}

// queue is the origin of a message.
type queue uint8

const (
	nothing queue = iota
	system
	user
)

func (m *mailbox) next() (msg any, from queue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg, ok := m.system.Pop(); ok {
		return msg, system
	}
	if msg, ok := m.user.Pop(); ok {
		return msg, user
	}
	m.running = false
	return nil, nothing
}

// trapCall makes each stop a StopRequest. It takes effect when it is posted.
type trapCall struct{}

func (m *mailbox) invokeSystem(msg any) {
	if m.phase == dead {
		m.late(msg)
		return
	}
	switch msg := msg.(type) {
	case *pa.Stop:
		if m.trapping && m.phase == open {
			m.inv.InvokeUserMessage(&StopRequest{})
			return
		}
		m.close(ErrShutdown)
	case *pa.Restart:
		// A foreign strategy asks for a restart in place, which would lose the Exited of this
		// incarnation's children.
		m.close(ErrRestart)
	case *process.Exit:
		m.close(msg.Reason)
	case *pa.Watch:
		// The mailbox keeps the watchers: protoactor-go would answer a Watch during the stop as if
		// the actor had ended.
		if msg.Watcher != nil {
			m.watchers.Add(msg.Watcher)
		}
	case *pa.Unwatch:
		if msg.Watcher != nil {
			m.watchers.Remove(msg.Watcher)
		}
	case *pa.SuspendMailbox, *pa.ResumeMailbox:
		// Part of protoactor-go's restart, which does not happen here.
	case *pa.Started:
		m.inv.InvokeSystemMessage(msg)
		if m.link.ready {
			// After the messages that the actor has posted to itself: an Exit, a delay.
			m.PostSystemMessage(&process.ReportedReady{})
		}
	case *process.ReportedReady:
		m.ready(msg)
	case *process.DelayedReady:
		m.delayed = true
	case *process.Query:
		msg.Answer()
	case *pa.Terminated:
		if msg.Who != nil { // any code can forge one
			m.advance(msg)
		}
	default:
		m.inv.InvokeSystemMessage(msg)
	}
}

// late handles messages that reach a dead actor through a PID that was kept.
func (m *mailbox) late(msg any) {
	switch msg := msg.(type) {
	case *pa.Watch:
		process.ReportEnd(m.sys, msg.Watcher, m.self, m.reason)
	case *process.Query:
		msg.Answer()
	}
}

// ctx returns the actor's own context: the invoker of protoactor-go is the context itself.
func (m *mailbox) ctx() Context { return m.inv.(Context) }

// growStack makes room for the frames between a mailbox and the user's code.
//
//go:noinline
func growStack() byte {
	var frame [3000]byte
	return frame[len(growSink)&1023]
}

// growSink keeps the compiler from seeing that frame is constant.
var growSink []byte
