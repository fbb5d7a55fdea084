package cell

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// Handler runs in a cell.
type Handler interface {
	// Receive processes one message. The next comes when it has returned. A panic or a
	// runtime.Goexit in it ends the cell with an [actor.PanicError] or an [actor.GoexitError]. It
	// must not block.
	Receive(msg any)

	// Ended is called once, as the last thing, perhaps on the goroutine that stopped the cell.
	// reason is that of Exit, [actor.ErrShutdown], [actor.ErrKilled], or the failure of Receive.
	// The cell is out of the registry by then, and its end has been reported. Ended must neither
	// block nor panic.
	Ended(reason error)
}

// Cell is the smallest actor: a mailbox and a handler. It can be addressed, watched, monitored,
// stopped and killed like any other. It has no context and no children, and its handler receives
// only messages that were sent to it. [actor.Monitor] reports the end of another actor.
//
// A cell costs one object, a goroutine only while it works, and a place in the registry only if its
// PID is asked for. The zero value is ready for Start. A Cell must not be copied afterwards.
type Cell struct {
	address
	running bool // a goroutine processes messages, or is about to
	closing bool // no further message is processed
	inbox   process.Inbox
	handler Handler // nil in the end: a PID can outlive the cell, and must not keep its work in memory
}

// Start makes the cell take messages. name is the first part of the Id of its PID, and the rest is
// made up. It must be called once.
func (c *Cell) Start(sys *actor.System, name string, h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sys, c.name, c.handler = sys, name, h
}

// PID returns the cell's address, or nil before Start. The first call enters it into the registry.
func (c *Cell) PID() *pa.PID { return c.take(c) }

// Reason returns why the cell has ended. It is meaningful only after the end.
func (c *Cell) Reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Post queues a message and never blocks. A message that comes after the end is a dead letter if it
// was sent to the PID, and is otherwise dropped.
func (c *Cell) Post(msg any) {
	if idle, _ := c.push(msg); idle {
		process.Go(c.sys, c.run)
	}
}

// PostLast is Post for a goroutine that has nothing else to do: see [process.SendLast].
func (c *Cell) PostLast(msg any) {
	switch idle, _ := c.push(msg); {
	case !idle:
	case process.DispatcherOf(c.sys, nil) != nil:
		process.Go(c.sys, c.run)
	default:
		c.run()
	}
}

// push queues a message. It reports whether the caller must run the cell, and whether the message
// was taken.
func (c *Cell) push(msg any) (idle, taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.over {
		return false, false
	}
	c.inbox.Push(msg)
	idle = !c.running
	c.running = true
	return idle, true
}

// Exit ends the cell after the message that it processes, or at once if there is none. A nil reason
// is a normal end. Messages that wait are dropped. The first reason counts, but a crash in the same
// message replaces a reason that is not [actor.Abnormal].
func (c *Cell) Exit(reason error) {
	c.mu.Lock()
	if c.closing || c.over {
		c.mu.Unlock()
		return
	}
	c.closing, c.reason = true, reason
	idle := !c.running
	c.running = true
	c.mu.Unlock()
	if idle {
		c.end()
	}
}

// run processes the messages that wait. A message that fails is the last.
func (c *Cell) run() {
	returned := false
	defer func() {
		if returned {
			return
		}
		c.failed(actor.Recovered(recover(), returned))
		process.Go(c.sys, c.end) // this goroutine may be about to exit
	}()
	growLittle()
	state := c.work()
	returned = true
	if state == cellClosing {
		c.end()
	}
}

// cellState is the next step of the goroutine that runs the cell. The set is closed.
type cellState uint8

const (
	cellBusy    cellState = iota // there is a message
	cellIdle                     // there is none: the goroutine that posts the next one runs the cell
	cellClosing                  // the cell must be ended
)

// work processes messages until none waits, or the cell closes.
func (c *Cell) work() cellState {
	for {
		msg, state := c.next()
		if state != cellBusy {
			return state
		}
		c.receive(msg)
	}
}

// receive handles the messages that every actor of protoactor-go handles by itself, and leaves the
// others to the handler.
func (c *Cell) receive(msg any) {
	switch msg := msg.(type) {
	case *pa.PoisonPill:
		c.Exit(actor.ErrShutdown)
	case *touched:
		process.Notify(c.sys, msg.sender, &pa.Touched{Who: msg.who})
	default:
		c.handler.Receive(msg)
	}
}

func (c *Cell) next() (msg any, state cellState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, cellClosing
	}
	msg, some := c.inbox.Pop()
	if !some {
		c.running = false
		return nil, cellIdle
	}
	return msg, cellBusy
}

func (c *Cell) failed(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing || !actor.Abnormal(c.reason) {
		c.reason = reason
	}
	c.closing = true
}

func (c *Cell) end() {
	c.mu.Lock()
	h, reason := c.handler, c.reason
	c.handler, c.inbox = nil, process.Inbox{}
	c.mu.Unlock()
	c.leave(reason)
	h.Ended(reason)
}

// SendUserMessage posts a message for protoactor-go. A PoisonPill stops the cell, and a Touch is
// answered, after the messages that wait. Batches are unpacked.
func (c *Cell) SendUserMessage(pid *pa.PID, msg any) {
	process.Each(msg, func(one any) { c.SendUserMessage(pid, one) })
	idle, taken := c.push(unwrap(pid, msg))
	switch {
	case !taken:
		c.sys.DeadLetter.SendUserMessage(pid, msg)
	case idle:
		process.Go(c.sys, c.run)
	}
}

// SendSystemMessage handles watchers and stops for protoactor-go. A Restart is a stop, as for all
// actors of this module.
func (c *Cell) SendSystemMessage(_ *pa.PID, msg any) {
	switch msg := msg.(type) {
	case *pa.Stop, *pa.Restart:
		c.Exit(actor.ErrShutdown)
	case *process.Exit:
		c.Exit(msg.Reason)
	default:
		c.system(msg)
	}
}

// Stop stops the cell for protoactor-go.
func (c *Cell) Stop(*pa.PID) { c.Exit(actor.ErrShutdown) }

// Native marks the cell as a process of this module.
func (*Cell) Native() {}
