package actor

import (
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"
)

// mailbox runs one actor. It differs from protoactor-go's in how the actor may end:
//
//   - A panic or a runtime.Goexit in Receive makes the actor crash: it stops with a reason. protoactor-go would ask the parent's strategy,
//     restart in place by default, and after a Goexit process nothing ever again, not even Stop.
//   - A panic in the handlers of Stopping and Stopped can't keep the actor alive, nor can children spawned while it stops.
//   - The reason of the end reaches the parent that asked for it, and every monitor, as one *Exited. Nobody hears of the end before the end.
//   - An actor that traps stops hears StopRequest instead, and ends when it calls Exit.
//
// Everything but what mu guards belongs to the goroutine that runs the mailbox; there is one at a time. How an actor ends is in stop.go.
type mailbox struct {
	mu      sync.Mutex
	running bool

	link     link
	phase    phase
	trapping bool
	delayed  bool  // Ready waits for ReportReady
	broken   bool  // a handler of the user's has failed, and what it broke off is to be mended
	rare     *rare // nil: none of it was needed yet

	system inbox
	user   inbox

	inv      pa.MessageInvoker // nil in the end: a PID can outlive the actor, and must not keep it in memory
	sys      *System
	self     *PID
	dispatch Dispatcher
	runFn    func()
	watchers pa.PIDSet // monitors and watchers in the manner of protoactor-go
	reason   error
}

// link says what the parent wants to hear.
type link struct {
	exited bool
	ready  bool
	born   *Actor // during the spawn: where to put the actor; nil if nobody asks
}

type phase uint8

const (
	open    phase = iota // takes messages
	closing              // was told to stop: user messages are dropped
	dead                 // is out of the registry, and everybody has been told
)

func newMailbox() pa.Mailbox { return &mailbox{} }

// RegisterHandlers is called once, by the spawner, before the first message.
func (m *mailbox) RegisterHandlers(inv pa.MessageInvoker, d pa.Dispatcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inv = inv
	m.sys, m.self = m.ctx().ActorSystem(), m.ctx().Self()
	m.dispatch = dispatcherOf(m.sys, d)
	m.runFn = m.runGrown
	if m.link.born != nil {
		*m.link.born, m.link.born = m.ctx().Actor(), nil
	}
}

// Start has nothing to do: Started has been posted, and has made the mailbox run.
func (m *mailbox) Start() {}

// UserMessageCount returns how many user messages wait.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

// PostUserMessage queues a message and never blocks.
func (m *mailbox) PostUserMessage(msg any) {
	eachOf(msg, m.PostUserMessage)
	if last, ok := msg.(*pa.MessageEnvelope); ok && last.Sender == lastSender {
		m.postLast(last.Message)
		return
	}
	m.mu.Lock()
	m.user.push(msg)
	m.wake()
}

// postLast processes the message on the caller's goroutine, if nobody runs the mailbox.
func (m *mailbox) postLast(msg any) {
	m.mu.Lock()
	m.user.push(msg)
	if m.running || m.dispatch == nil || dispatcherOf(m.sys, nil) != nil {
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
	m.system.push(msg)
	m.wake()
}

// wake unlocks mu. A mailbox that has no handlers yet - an init function in the Props has sent its
// actor a message - waits for Started.
func (m *mailbox) wake() {
	idle := !m.running && m.dispatch != nil
	m.running = m.running || idle
	m.mu.Unlock()
	if idle {
		m.schedule()
	}
}

// schedule survives a dispatcher that panics: senders have done nothing wrong.
func (m *mailbox) schedule() {
	defer func() {
		if recover() != nil {
			go m.runFn()
		}
	}()
	m.dispatch.Schedule(m.runFn)
}

// eachOf posts each message of a batch, as a mailbox of protoactor-go does before the batch itself.
func eachOf(msg any, post func(any)) {
	batch, ok := msg.(pa.MessageBatch)
	if env, enveloped := msg.(*pa.MessageEnvelope); enveloped {
		batch, ok = env.Message.(pa.MessageBatch)
	}
	if ok {
		for _, one := range batch.GetMessages() {
			post(one)
		}
	}
}

// runGrown grows the stack once, while it is one frame deep. A fresh goroutine would copy it two or three times on the way to the user's code,
// which is a third of the cost of a short-lived actor.
func (m *mailbox) runGrown() {
	growStack()
	m.run()
}

// run processes as many messages as its dispatcher grants, and gets in line again if there may be more: a Goexit leaves it at that, too.
func (m *mailbox) run() {
	more := true
	defer func() {
		if more {
			m.schedule()
		}
	}()
	more = m.turn(max(m.dispatch.Throughput(), 1))
}

// turn processes up to n messages: until there are none (false), it is somebody else's turn, or one has failed (true).
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

// queue says where a message comes from.
type queue uint8

const (
	nothing queue = iota
	system
	user
)

func (m *mailbox) next() (msg any, from queue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg, ok := m.system.pop(); ok {
		return msg, system
	}
	if msg, ok := m.user.pop(); ok {
		return msg, user
	}
	m.running = false
	return nil, nothing
}

// Messages of this package that mailboxes understand, among the system's.
type (
	// exitCall makes the actor end with a reason; it can't be trapped.
	exitCall struct{ reason error }
	// trapCall makes the actor hear StopRequest from now on. It takes effect when it is posted.
	trapCall struct{}
)

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
		// A strategy of somebody else's asks for a restart in place, which would lose the Exited of this incarnation's children.
		m.close(ErrRestart)
	case *exitCall:
		m.close(msg.reason)
	case *pa.Watch:
		// Kept here, not by protoactor-go, which would answer a Watch while the actor stops as if it were gone.
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
			m.PostSystemMessage(&readyCall{}) // after what the actor itself has posted meanwhile: an Exit, a delay
		}
	case *readyCall:
		m.ready(msg)
	case *delayCall:
		m.delayed = true
	case *probeCall:
		msg.answer()
	case *pa.Terminated:
		if msg.Who != nil { // anybody can forge one
			m.advance(msg)
		}
	default:
		m.inv.InvokeSystemMessage(msg)
	}
}

// late hears what reaches a dead actor through a PID that somebody kept.
func (m *mailbox) late(msg any) {
	switch msg := msg.(type) {
	case *pa.Watch:
		tellEnd(m.sys, msg.Watcher, &Exited{PID: m.self, Reason: m.reason})
	case *probeCall:
		msg.answer()
	}
}

// ctx is the actor's own context: the invoker of protoactor-go is the context itself.
func (m *mailbox) ctx() Context { return m.inv.(Context) }

// growStack makes room for the frames between a mailbox and the user's code.
//
//go:noinline
func growStack() byte {
	var frame [3000]byte
	return frame[len(growSink)&1023]
}

// growLittle is growStack for cells and routines, which have fewer frames: they make do with 4 KiB, and to copy 8 is a fifth of a short job's
// time.
//
//go:noinline
func growLittle() byte {
	var frame [2000]byte
	return frame[len(growSink)&1023]
}

// growSink keeps the compiler from seeing that frame is constant.
var growSink []byte
