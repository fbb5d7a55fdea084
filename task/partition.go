package task

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// partition is the actor that supervises a share of the tasks. It reports timeouts to their owners,
// and stops and abandons tasks. It has nothing to do with a task that ends in time: see run.Ended.
type partition struct {
	share    *share
	grace    time.Duration
	closing  bool
	deadline *time.Timer
}

// These are the messages to a partition.
type (
	// timeUp comes from the clock of the share. There may be no run that is due.
	timeUp struct{}
	// extend gives a run more time.
	extend struct {
		run  *run
		more time.Duration
	}
	// shutdown stops a run.
	shutdown struct {
		run   *run
		cause error // sealed
		given error // the same, as it was given
		grace time.Duration
	}
	// lastEnded reports that the tasks that the end of the supervisor waited for are gone.
	lastEnded struct{}
	// closeTime reports that the grace of the partition's own stop is over.
	closeTime struct{}
)

// Receive is one turn of the partition.
func (p *partition) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		actor.TrapStop(ctx)
	case *timeUp:
		for _, r := range p.share.due() {
			p.timeUp(ctx, r)
		}
	case *extend:
		p.extend(msg)
	case *shutdown:
		p.shutdown(ctx, msg)
	case *lastEnded:
		p.exitIfDone(ctx)
	case *actor.StopRequest:
		p.close(ctx)
	case *closeTime:
		p.abandonAll(ctx)
	case *actor.Stopping:
		p.crashed(ctx)
	}
}

// timeUp handles the end of the time that a run had, or of its grace.
func (p *partition) timeUp(ctx actor.Context, r *run) {
	switch {
	case r.stopping:
		p.abandon(ctx, r)
	case r.killGrace != 0:
		p.shutdown(ctx, &shutdown{run: r, cause: ErrTimeout, given: ErrTimeout, grace: r.killGrace})
	default:
		r.tellTimeout()
	}
}

// extend comes too late for a run that was stopped, and that has its grace.
func (p *partition) extend(msg *extend) {
	msg.run.answered()
	if !msg.run.stopping {
		p.share.extend(msg.run, msg.more)
	}
}

func (p *partition) shutdown(ctx actor.Context, msg *shutdown) {
	r := msg.run
	r.stopping = true
	r.answered()
	if !p.share.arm(r, max(msg.grace, 0)) {
		return // it has its outcome
	}
	r.stop(msg.cause, msg.given)
	if msg.grace < 0 {
		p.abandon(ctx, r)
	}
}

// abandon gives up a run that does not return, unless it has meanwhile.
func (p *partition) abandon(ctx actor.Context, r *run) {
	if !r.abandon() {
		return
	}
	r.tellFinal()
	p.share.retire(r, true)
	p.exitIfDone(ctx)
	p.share.count.tell(p.share.sys)
}

// close stops every task; the partition ends with the last.
func (p *partition) close(ctx actor.Context) {
	if p.closing {
		return
	}
	p.closing = true
	p.share.close()
	for _, r := range p.share.runs() {
		r.stop(actor.ErrShutdown, actor.ErrShutdown)
	}
	if p.grace < 0 {
		p.abandonAll(ctx)
	} else {
		p.deadline = process.SendAfter(ctx, p.grace, &closeTime{})
	}
	p.exitIfDone(ctx)
}

func (p *partition) exitIfDone(ctx actor.Context) {
	if !p.closing || !p.share.idle() {
		return
	}
	if p.deadline != nil {
		p.deadline.Stop()
	}
	actor.Exit(ctx, actor.ErrShutdown)
}

func (p *partition) abandonAll(ctx actor.Context) {
	for _, r := range p.share.runs() {
		p.abandon(ctx, r)
	}
}

// crashed handles the end of a partition, in any way. After an orderly end nothing is left to do.
func (p *partition) crashed(ctx actor.Context) {
	p.share.end()
	for _, r := range p.share.runs() {
		r.stop(ErrClosed, ErrClosed)
		p.abandon(ctx, r)
	}
}
