package actor

import (
	"context"
	"sync/atomic"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/process"
)

// Monitor sends watcher one [*Exited] when the actor pid has ended. If no actor lives there, it
// does so at once, with [ErrNoProcess]. An actor that was not spawned by this package ends with
// [ErrUnknown]. The returned function withdraws the monitor, and may be called at any time. An
// Exited may already be on its way then.
func Monitor(sys *System, watcher, pid *PID) (cancel func()) {
	return newMonitor(sys, pid, func(e *Exited) { process.Notify(sys, watcher, e) }).cancel
}

// OnExit calls f once when the actor pid has ended: see [Monitor]. It does so on the goroutine of
// the actor that ends, perhaps before OnExit returns. f must neither block nor panic, and may call
// cancel.
func OnExit(sys *System, pid *PID, f func(*Exited)) (cancel func()) {
	return newMonitor(sys, pid, f).cancel
}

// Shutdown stops an actor and waits for its end. It returns the exit reason, which is
// [ErrNoProcess] for an actor that had ended before. If ctx ends first it returns ctx.Err() as err,
// and the actor goes on stopping.
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

// Ask sends pid the message that request returns, and waits for the answer. The actor answers by
// calling the function that request got, from any goroutine. The first call counts. Ask returns
// [ErrNoProcess] if the actor ends without an answer, and ctx.Err() if ctx ends first.
func Ask[T any](ctx context.Context, sys *System, pid *PID, request func(answer func(T)) any) (T, error) {
	var none T
	answers := make(chan T, 1)
	ended := make(chan struct{})
	m := newMonitor(sys, pid, func(*Exited) { close(ended) })
	defer m.cancel()
	process.Notify(sys, pid, request(func(a T) {
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
	case a := <-answers: // the actor answered and ended
		return a, nil
	default:
		return none, ErrNoProcess
	}
}

// monitor is a process that watches one actor. A mailbox of this package recognizes it, and reports
// the reason. For another actor it is an ordinary watcher.
type monitor struct {
	sys    *System
	self   *PID
	target *PID
	over   atomic.Bool
	tell   func(*Exited)
}

func newMonitor(sys *System, target *PID, tell func(*Exited)) *monitor {
	m := &monitor{sys: sys, target: target, tell: tell}
	m.self = process.Register(sys, m, "monitor")
	if p, ok := sys.ProcessRegistry.Get(target); ok {
		p.SendSystemMessage(target, &pa.Watch{Watcher: m.self})
	} else {
		m.Ended(target, ErrNoProcess)
	}
	return m
}

// Native marks the monitor as a process of this module.
func (*monitor) Native() {}

// Ended ends the monitor. It may be called on any goroutine, at any time.
func (m *monitor) Ended(pid *PID, reason error) {
	if m.over.CompareAndSwap(false, true) {
		m.sys.ProcessRegistry.Remove(m.self)
		m.tell(&Exited{PID: pid, Reason: reason})
	}
}

func (m *monitor) cancel() {
	if !m.over.CompareAndSwap(false, true) {
		return
	}
	m.sys.ProcessRegistry.Remove(m.self)
	process.System(m.sys, m.target, &pa.Unwatch{Watcher: m.self})
}

// SendSystemMessage handles the Terminated of an actor with a mailbox of protoactor-go's, or
// without one.
func (m *monitor) SendSystemMessage(_ *PID, msg any) {
	t, ok := msg.(*pa.Terminated)
	if !ok {
		return
	}
	reason := ErrUnknown
	if t.Why == pa.TerminatedReason_NotFound {
		reason = ErrNoProcess
	}
	m.Ended(m.target, reason)
}

// SendUserMessage ignores what is sent to a monitor by mistake.
func (m *monitor) SendUserMessage(*PID, any) {}

// Stop ends the monitor without a report.
func (m *monitor) Stop(*PID) { m.cancel() }
