package actor

import (
	"context"
	"sync/atomic"

	pa "github.com/asynkron/protoactor-go/actor"
)

// Monitor sends watcher one *Exited when the actor pid has ended: at once, with ErrNoProcess, if nobody lives there. An actor that was not
// spawned by this package ends with ErrUnknown. The returned function withdraws the monitor, and may be called at any time; an Exited may
// already be on its way then.
func Monitor(sys *System, watcher, pid *PID) (cancel func()) {
	return newMonitor(sys, pid, func(e *Exited) { Notify(sys, watcher, e) }).cancel
}

// OnExit calls tell once when the actor pid has ended; see Monitor. It is called on the goroutine of the actor that ends, perhaps before OnExit
// returns, and must neither block nor panic. It may call cancel.
func OnExit(sys *System, pid *PID, tell func(*Exited)) (cancel func()) {
	return newMonitor(sys, pid, tell).cancel
}

// Shutdown tells an actor to stop and waits until it has. It returns the exit reason, or ctx.Err() in err. For an actor that is gone already
// the reason is ErrNoProcess.
func Shutdown(ctx context.Context, sys *System, pid *PID) (reason, err error) {
	ended := make(chan *Exited, 1)
	m := newMonitor(sys, pid, func(e *Exited) { ended <- e })
	defer m.cancel()
	Stop(sys, pid)
	select {
	case e := <-ended:
		return e.Reason, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Ask sends pid the message that request makes, and waits for the answer. The actor answers by calling the function that request got, from
// anywhere, once; further answers are dropped. It returns ErrNoProcess if the actor ends without an answer, and ctx.Err().
func Ask[T any](ctx context.Context, sys *System, pid *PID, request func(answer func(T)) any) (T, error) {
	var none T
	answers := make(chan T, 1)
	ended := make(chan struct{})
	m := newMonitor(sys, pid, func(*Exited) { close(ended) })
	defer m.cancel()
	Notify(sys, pid, request(func(a T) {
		select {
		case answers <- a:
		default:
		}
	}))
	select {
	case a := <-answers:
		return a, nil
	case <-ctx.Done():
		return none, ctx.Err()
	case <-ended:
	}
	select {
	case a := <-answers: // the answer was the last thing that it did
		return a, nil
	default:
		return none, ErrNoProcess
	}
}

// monitor is a process of its own that watches one actor. A mailbox of this package recognises it, and gives it the reason; another actor takes
// it for an ordinary watcher.
type monitor struct {
	sys    *System
	self   *PID
	target *PID
	over   atomic.Bool
	tell   func(*Exited)
}

func newMonitor(sys *System, target *PID, tell func(*Exited)) *monitor {
	m := &monitor{sys: sys, target: target, tell: tell}
	m.self = register(sys, m, "monitor")
	if p, ok := sys.ProcessRegistry.Get(target); ok {
		p.SendSystemMessage(target, &pa.Watch{Watcher: m.self})
	} else {
		m.exited(&Exited{PID: target, Reason: ErrNoProcess})
	}
	return m
}

// exited ends the monitor. It may be called by anybody, at any time.
func (m *monitor) exited(e *Exited) {
	if m.over.CompareAndSwap(false, true) {
		m.sys.ProcessRegistry.Remove(m.self)
		m.tell(e)
	}
}

func (m *monitor) cancel() {
	if !m.over.CompareAndSwap(false, true) {
		return
	}
	m.sys.ProcessRegistry.Remove(m.self)
	sendSystem(m.sys, m.target, &pa.Unwatch{Watcher: m.self})
}

// SendSystemMessage hears the Terminated of an actor with a mailbox of protoactor-go's, or of none.
func (m *monitor) SendSystemMessage(_ *PID, msg any) {
	t, ok := msg.(*pa.Terminated)
	if !ok {
		return
	}
	reason := ErrUnknown
	if t.Why == pa.TerminatedReason_NotFound {
		reason = ErrNoProcess
	}
	m.exited(&Exited{PID: m.target, Reason: reason})
}

// SendUserMessage ignores what is sent to a monitor by mistake.
func (m *monitor) SendUserMessage(*PID, any) {}

// Stop ends the monitor without a word.
func (m *monitor) Stop(*PID) { m.cancel() }

// tellEnd tells one watcher: a monitor with the reason, anybody else in the manner of protoactor-go. Who is gone is not told: a dead letter
// about it would be noise.
func tellEnd(sys *System, watcher *PID, e *Exited) {
	p, ok := sys.ProcessRegistry.Get(watcher)
	if !ok {
		return
	}
	if m, ok := p.(*monitor); ok {
		m.exited(e)
		return
	}
	p.SendSystemMessage(watcher, &pa.Terminated{Who: e.PID})
}
