package task

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// partition is the actor that supervises a share of the tasks: it tells their owners of those that run on past their time, and stops and abandons
// them. It has nothing to do with a task that ends in time: see run.Ended.
type partition struct {
	share    *share
	grace    time.Duration
	closing  bool
	deadline *time.Timer
}

// Messages to a partition.
type (
	// timeUp comes from the clock of the share, perhaps for nobody.
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
	// lastEnded says that the tasks which the end of the supervisor waited for are gone.
	lastEnded struct{}
	// closeTime says that the partition's own stop has taken its grace.
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

// timeUp is the end of the time that a run had, or of its grace.
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

// extend comes too late for a run that was told to stop: what it waits for is the end of its grace.
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
		return // its outcome is out
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
		p.deadline = actor.SendAfter(ctx, p.grace, &closeTime{})
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

// crashed is the end of a partition by whatever way; after an orderly one there is nothing left to
// do.
func (p *partition) crashed(ctx actor.Context) {
	p.share.end()
	for _, r := range p.share.runs() {
		r.stop(ErrClosed, ErrClosed)
		p.abandon(ctx, r)
	}
}
