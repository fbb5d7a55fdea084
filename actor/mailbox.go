package actor

import (
	"runtime"
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"
)

// mailbox runs one actor. It differs from protoactor-go's in how the actor may end:
//
//   - A panic or a runtime.Goexit in Receive makes the actor crash: it stops with a reason. protoactor-go would ask the parent's strategy,
//     restart in place by default, and after a Goexit process nothing ever again, not even Stop.
//   - A panic in the handlers of Stopping and Stopped can't keep the actor alive.
//   - The reason of the end reaches the parent that asked for it, and every monitor, as one *Exited.
//   - An actor that traps stops hears StopRequest instead, and ends when it calls Exit.
//
// Everything but what mu guards belongs to the goroutine that runs the mailbox; there is one at a time.
type mailbox struct {
	mu      sync.Mutex
	running bool
	system  inbox
	user    inbox

	inv      pa.MessageInvoker
	dispatch Dispatcher
	runFn    func()

	link     link
	monitors []*monitor
	reason   error
	phase    phase
	trapping bool
	failures uint8 // while closing
}

// link says what the parent wants to hear.
type link struct {
	exited bool
	ready  bool
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
	m.inv = inv
	m.dispatch = dispatcherOf(m.ctx().ActorSystem(), d)
	m.runFn = m.runGrown
}

// Start has nothing to do: the mailbox runs when there is something to process.
func (m *mailbox) Start() {}

// UserMessageCount returns how many user messages wait.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

// PostUserMessage queues a message and never blocks.
func (m *mailbox) PostUserMessage(msg any) {
	if batch, ok := msg.(pa.MessageBatch); ok {
		for _, one := range batch.GetMessages() {
			m.PostUserMessage(one)
		}
	}
	m.mu.Lock()
	m.user.push(msg)
	m.wake()
}

// PostSystemMessage queues a message that overtakes the user's.
func (m *mailbox) PostSystemMessage(msg any) {
	m.mu.Lock()
	m.system.push(msg)
	m.wake()
}

// wake unlocks mu.
func (m *mailbox) wake() {
	idle := !m.running
	m.running = true
	m.mu.Unlock()
	if idle {
		m.dispatch.Schedule(m.runFn)
	}
}

// runGrown grows the stack once, while it is one frame deep. A fresh goroutine would copy it two or three times on the way to the user's code,
// which is a third of the cost of a short-lived actor.
func (m *mailbox) runGrown() {
	growStack()
	m.run()
}

// fairness is how many messages an actor processes before it lets others run.
const fairness = 300

// run processes messages until there are none. A Goexit ends it early; the deferred part then goes on in another goroutine.
func (m *mailbox) run() {
	done := false
	defer func() {
		if !done {
			m.dispatch.Schedule(m.runFn)
		}
	}()
	for m.turn() {
		runtime.Gosched()
	}
	done = true
}

// turn processes messages until there are none (false), it is somebody else's turn, or one has failed (true).
func (m *mailbox) turn() (more bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		m.failed(Recovered(recover(), returned))
		more = true
	}()
	for range fairness {
		msg, system := m.next()
		switch {
		case msg == nil:
			returned = true
			return false
		case system:
			m.invokeSystem(msg)
		case m.phase == open:
			m.inv.InvokeUserMessage(msg)
		}
	}
	returned = true
	return true
}

func (m *mailbox) next() (msg any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg = m.system.pop(); msg != nil {
		return msg, true
	}
	msg = m.user.pop()
	m.running = msg != nil
	return msg, false
}

// Messages of this package that mailboxes understand, in the system queue.
type (
	// exitCall makes the actor end with a reason; it can't be trapped.
	exitCall struct{ reason error }
	// trapCall makes the actor hear StopRequest from now on.
	trapCall struct{}
	// redrive takes up a stop that a handler of the user's broke off.
	redrive struct{}
)

func (m *mailbox) invokeSystem(msg any) {
	switch msg := msg.(type) {
	case *pa.Stop:
		if m.trapping && m.phase == open {
			m.inv.InvokeUserMessage(&StopRequest{})
			return
		}
		m.close(ErrShutdown)
	case *pa.Restart:
		// A strategy of somebody else's asks for a restart in place, which would lose the Exited of this incarnation's children.
		m.close(ErrShutdown)
	case *exitCall:
		m.close(msg.reason)
	case *trapCall:
		m.trapping = true
	case *redrive:
		m.stopChildren()
		m.advance(&pa.Terminated{Who: nobody})
	case *pa.Watch:
		m.watch(msg)
	case *pa.Unwatch:
		m.unwatch(msg)
	case *pa.SuspendMailbox, *pa.ResumeMailbox:
		// Part of protoactor-go's restart, which does not happen here.
	case *pa.Started:
		m.inv.InvokeSystemMessage(msg)
		if m.link.ready {
			m.tellParent(&Ready{PID: m.self()})
		}
	case *pa.Terminated:
		m.advance(msg)
	default:
		m.inv.InvokeSystemMessage(msg)
	}
}

// close starts the end of the actor, once.
func (m *mailbox) close(reason error) {
	if m.phase != open {
		return
	}
	m.phase, m.reason = closing, reason
	m.inv.InvokeSystemMessage(&pa.Stop{})
	m.finish()
}

// advance hands a Terminated to the actor, which may be the last that its stop waits for.
func (m *mailbox) advance(t *pa.Terminated) {
	m.inv.InvokeSystemMessage(t)
	if m.phase == closing {
		m.stopChildren() // those that a handler spawned after Stopping would never be stopped
		m.finish()
	}
}

// failed is called when the user's code panicked or called Goexit.
func (m *mailbox) failed(reason error) {
	switch m.phase {
	case open:
		m.PostSystemMessage(&exitCall{reason: reason})
	case closing:
		if m.failures++; m.failures <= maxCloseFailures {
			m.PostSystemMessage(&redrive{})
			return
		}
		m.force()
	case dead:
	}
}

// maxCloseFailures is how often the handlers of a stopping actor may fail before it ends without them.
const maxCloseFailures = 2

// force ends an actor whose own handlers prevent it. Watchers in the manner of protoactor-go don't hear of it; parent and monitors do.
func (m *mailbox) force() {
	ctx := m.ctx()
	ctx.ActorSystem().ProcessRegistry.Remove(ctx.Self())
	if ctx.Parent() != nil {
		sendSystem(ctx.ActorSystem(), ctx.Parent(), &pa.Terminated{Who: ctx.Self()})
	}
	m.tellAll()
}

// finish tells parent and monitors, when the actor's stop is complete. With the last child gone, protoactor-go has run the Stopped handler and
// taken the actor out of the registry before the call that led here returned.
func (m *mailbox) finish() {
	if m.phase == closing && len(m.ctx().Children()) == 0 {
		m.tellAll()
	}
}

func (m *mailbox) tellAll() {
	m.phase = dead
	exited := &Exited{PID: m.self(), Reason: m.reason}
	if m.link.exited {
		m.tellParent(exited)
	}
	for _, w := range m.monitors {
		w.exited(exited)
	}
	m.monitors = nil
}

func (m *mailbox) stopChildren() {
	ctx := m.ctx()
	for _, child := range ctx.Children() {
		sendSystem(ctx.ActorSystem(), child, &pa.Stop{})
	}
}

func (m *mailbox) tellParent(msg any) {
	ctx := m.ctx()
	if ctx.Parent() != nil {
		Send(ctx.ActorSystem(), ctx.Parent(), msg)
	}
}

// ctx is the actor's own context: the invoker of protoactor-go is the context itself.
func (m *mailbox) ctx() Context { return m.inv.(Context) }

func (m *mailbox) self() *PID { return m.ctx().Self() }

// nobody is a PID that no actor has.
var nobody = pa.NewPID("nobody", "nobody")

// growStack makes room for the frames between a mailbox and the user's code.
//
//go:noinline
func growStack() byte {
	var frame [3000]byte
	return frame[len(growSink)&1023]
}

// growSink keeps the compiler from seeing that frame is constant.
var growSink []byte
