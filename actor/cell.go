package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"
)

// Handler is what a cell runs.
type Handler interface {
	// Receive processes one message; the next comes when it has returned. A panic or a runtime.Goexit in it ends the cell with a *PanicError
	// or *GoexitError. It must not block.
	Receive(msg any)

	// Ended is called once, as the last thing, after the last Receive, perhaps on the goroutine of whoever stopped the cell: reason is that of
	// Exit, ErrShutdown, ErrKilled, or how Receive failed. The cell is out of the registry by then, and its watchers have been told. It must
	// neither block nor panic.
	Ended(reason error)
}

// Cell is the least that is an actor: a mailbox and a handler. It can be addressed, watched,
// monitored, stopped and killed like any other, but it has no context, no children, and hears
// nothing that nobody sent: to hear of the end of an actor, Monitor it. It costs one object, a
// goroutine only while it works, and a place in the registry only if somebody asks for its PID. Its
// zero value is ready for Start; it must not be copied afterwards.
type Cell struct {
	address
	running bool // somebody processes messages, or is about to
	closing bool // no further message is processed
	inbox   inbox
	handler Handler // nil in the end: a PID can outlive the cell, and must not keep what it worked on in memory
}

// Start makes the cell take messages. name is the first part of its PID's Id; the rest is made up. It may be called once.
func (c *Cell) Start(sys *System, name string, h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sys, c.name, c.handler = sys, name, h
}

// PID returns the cell's address, or nil before Start. The first call enters it into the registry.
func (c *Cell) PID() *PID { return c.take(c) }

// Reason is why the cell has ended, for whoever knows that it has.
func (c *Cell) Reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Post queues a message and never blocks. One that comes too late is a dead letter if it came by way of the PID, and otherwise dropped.
func (c *Cell) Post(msg any) {
	if idle, _ := c.push(msg); idle {
		schedule(c.sys, c.run)
	}
}

// PostLast is Post for a goroutine that has nothing else to do: see SendLast.
func (c *Cell) PostLast(msg any) {
	switch idle, _ := c.push(msg); {
	case !idle:
	case dispatcherOf(c.sys, nil) != nil:
		schedule(c.sys, c.run)
	default:
		c.run()
	}
}

// push says whether the caller has to see to it that the cell runs.
func (c *Cell) push(msg any) (idle, taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.over {
		return false, false
	}
	c.inbox.push(msg)
	idle = !c.running
	c.running = true
	return idle, true
}

// Exit ends the cell after the message that it processes, or at once if it doesn't; nil is a normal end. Messages that wait are dropped. The
// first reason counts, but a crash in the same message takes the place of one that is none (see Abnormal).
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

// run processes what there is. A message that fails is the last.
func (c *Cell) run() {
	returned := false
	defer func() {
		if returned {
			return
		}
		c.failed(Recovered(recover(), returned))
		schedule(c.sys, c.end) // this goroutine may be about to exit
	}()
	growLittle()
	state := c.work()
	returned = true
	if state == cellClosing {
		c.end()
	}
}

// cellState says what there is to do for the one who runs the cell. The set is closed.
type cellState uint8

const (
	cellBusy    cellState = iota // there is a message
	cellIdle                     // there is none; whoever posts the next runs the cell
	cellClosing                  // it is to be ended
)

// work processes messages until there are none, or the cell closes.
func (c *Cell) work() cellState {
	for {
		msg, state := c.next()
		if state != cellBusy {
			return state
		}
		c.receive(msg)
	}
}

// receive leaves to the handler what no actor of protoactor-go does by itself.
func (c *Cell) receive(msg any) {
	switch msg := msg.(type) {
	case *pa.PoisonPill:
		c.Exit(ErrShutdown)
	case *touched:
		Notify(c.sys, msg.sender, &pa.Touched{Who: msg.who})
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
	msg, some := c.inbox.pop()
	if !some {
		c.running = false
		return nil, cellIdle
	}
	return msg, cellBusy
}

func (c *Cell) failed(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing || !Abnormal(c.reason) {
		c.reason = reason
	}
	c.closing = true
}

func (c *Cell) end() {
	c.mu.Lock()
	h, reason := c.handler, c.reason
	c.handler, c.inbox = nil, inbox{}
	c.mu.Unlock()
	c.leave(reason)
	h.Ended(reason)
}

// SendUserMessage is what protoactor-go calls to post a message. A PoisonPill stops the cell, and a
// Touch is answered, after the messages that wait; batches are unpacked.
func (c *Cell) SendUserMessage(pid *PID, msg any) {
	eachOf(msg, func(one any) { c.SendUserMessage(pid, one) })
	idle, taken := c.push(unwrap(pid, msg))
	switch {
	case !taken:
		c.sys.DeadLetter.SendUserMessage(pid, msg)
	case idle:
		schedule(c.sys, c.run)
	}
}

// SendSystemMessage hears watchers and stops. A Restart is a stop, as it is to all actors of this
// package.
func (c *Cell) SendSystemMessage(_ *PID, msg any) {
	switch msg := msg.(type) {
	case *pa.Stop, *pa.Restart:
		c.Exit(ErrShutdown)
	case *exitCall:
		c.Exit(msg.reason)
	default:
		c.system(msg)
	}
}

// Stop is what protoactor-go calls to stop the cell.
func (c *Cell) Stop(*PID) { c.Exit(ErrShutdown) }
