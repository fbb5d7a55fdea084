package isolate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/isolate/internal/wire"
)

// call is a job in a child.
type call struct {
	killer
	*mail
	logged int           // bytes of notes; the reader's
	cpu    time.Duration // of the process before the job; zero if it does not matter
}

// mail is how a task gets what its job writes. It is empty at the end of a call, and used again.
type mail struct {
	reply chan reply      // capacity 1
	notes chan wire.Frame // log records and progress, before the reply
}

var mails = sync.Pool{New: func() any {
	return &mail{reply: make(chan reply, 1), notes: make(chan wire.Frame, 16)}
}}

// reply is the end of a call.
type reply struct {
	result wire.Result
	err    error
}

// errNotStarted is the end of a call that the child had not begun when it died.
var errNotStarted = errors.New("isolate: the child died before it began the job")

// do runs a job in the child, and returns when it has ended. It gives notes to note meanwhile. The
// error is a *CrashError if the process died, and errNotStarted if that was before the job began.
func (p *process) do(ctx context.Context, task []byte, note func(wire.Frame)) (wire.Result, error) {
	c := &call{mail: mails.Get().(*mail), killer: killer{process: p}} //nolint:forcetypeassert // as New makes it
	if !p.register(c) {
		return wire.Result{}, errNotStarted
	}
	defer c.end()
	stop := context.AfterFunc(ctx, func() { c.begin(context.Cause(ctx)) })
	defer stop()
	p.send(wire.Frame{Kind: wire.KindRun, Call: c.number, Body: task})
	return p.await(c, note)
}

// await returns the reply of a call. If note does not return, the child is of no use any more.
func (p *process) await(c *call, note func(wire.Frame)) (wire.Result, error) {
	returned := false
	defer func() {
		if !returned {
			p.kill(errNote)
		}
	}()
	for {
		select {
		case f := <-c.notes:
			note(f)
		case r := <-c.reply:
			for len(c.notes) > 0 {
				note(<-c.notes)
			}
			returned = true
			mails.Put(c.mail)
			return r.result, r.err
		}
	}
}

// errNote is why a child is killed if a Logger or OnProgress panics.
var errNote = errors.New("isolate: Logger or OnProgress did not return")

// send writes a task. A child that does not read is of no use.
func (p *process) send(f wire.Frame) {
	if err := p.writer.Write(f); err != nil {
		p.kill(fmt.Errorf("%w: it does not read: %w", ErrProtocol, err))
	}
}

// register numbers a call. It reports whether the child takes it.
func (p *process) register(c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.cfg.CPU > 0 {
		c.cpu = processorTime(p.proc.Pid)
	}
	p.last++
	c.number = p.last
	p.calls[c.number] = c
	return true
}
