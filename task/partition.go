package task

import (
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
)

// partition is the actor that supervises a share of the tasks: it spawns them, holds their timers, and tells their owners of
// those that run on past their time, or that it abandons. A task that ends tells its owner itself: see run.Ended.
type partition struct {
	share    *share
	grace    time.Duration
	prefix   string // of the names of the tasks
	closing  bool
	deadline *time.Timer
}

// Messages to a partition. The first three are the run itself, so that a task's normal life needs no allocation for them.
type (
	start run
	ended run
	// timeUp comes from the timer of a run. One from a timer that was stopped too late comes before its time.
	timeUp run
	// extend gives a run more time.
	extend struct {
		run  *run
		more time.Duration
	}
	// shutdown stops a run.
	shutdown struct {
		run   *run
		cause error
		grace time.Duration
	}
	// adopt gives a run another owner; nil: its result is dropped.
	adopt struct {
		run   *run
		owner *actor.PID
	}
	// list asks for the tasks that have begun and not returned.
	list struct{ answer func([]*run) }
	// closeTime says that the partition's own stop has taken its grace.
	closeTime struct{}
)

// Receive is one turn of the partition.
func (p *partition) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		actor.TrapStop(ctx)
		p.prefix = ctx.Self().Id + "/task"
	case *start:
		p.start(ctx, (*run)(msg))
	case *ended:
		p.ended(ctx, (*run)(msg))
	case *timeUp:
		p.timeUp(ctx, (*run)(msg))
	case *extend:
		p.extend(ctx, msg)
	case *shutdown:
		p.shutdown(ctx, msg)
	case *adopt:
		msg.run.adopt(msg.owner)
	case *list:
		msg.answer(p.begun())
	case *actor.StopRequest:
		p.close(ctx)
	case *closeTime:
		p.abandonAll(ctx)
	case *actor.Stopping:
		p.crashed(ctx)
	}
}

func (p *partition) start(ctx actor.Context, r *run) {
	if p.closing {
		p.refuse(ctx, r)
		return
	}
	if r.timeout > 0 {
		p.arm(ctx, r, r.timeout)
	}
	r.Start(p.share.sys, p.prefix, r)
}

// refuse ends a run that was admitted and has not begun.
func (p *partition) refuse(ctx actor.Context, r *run) {
	p.share.count.refused()
	r.refuse(ErrClosed)
	r.tellFinal()
	p.retire(ctx, r, false)
}

// arm starts the run's timer anew.
func (p *partition) arm(ctx actor.Context, r *run, d time.Duration) {
	d = max(d, time.Nanosecond) // due is not zero
	r.due = r.age() + d
	if r.timer == nil {
		r.timer = time.AfterFunc(d, r.expire)
		return
	}
	r.timer.Reset(d)
}

func (p *partition) disarm(r *run) {
	r.due = 0
	if r.timer != nil {
		r.timer.Stop()
	}
}

// timeUp is the end of the time that a run had, or of its grace.
func (p *partition) timeUp(ctx actor.Context, r *run) {
	if r.due == 0 || r.age() < r.due {
		return // an old timer's
	}
	r.due = 0
	switch {
	case r.stopping:
		p.abandon(ctx, r)
	case r.killGrace != 0:
		p.shutdown(ctx, &shutdown{run: r, cause: ErrTimeout, grace: r.killGrace})
	default:
		r.tellTimeout()
	}
}

// extend comes too late for a run that was told to stop: its timer is that of the grace.
func (p *partition) extend(ctx actor.Context, msg *extend) {
	if r := msg.run; !r.retired && !r.stopping {
		p.arm(ctx, r, msg.more)
	}
}

func (p *partition) shutdown(ctx actor.Context, msg *shutdown) {
	r := msg.run
	if r.retired {
		return // its outcome is out
	}
	r.stopping = true
	r.stop(msg.cause)
	if msg.grace < 0 {
		p.abandon(ctx, r)
		return
	}
	p.arm(ctx, r, msg.grace)
}

// ended is the way out of every task that returned in time. Its owner has been told.
func (p *partition) ended(ctx actor.Context, r *run) {
	if !r.retired {
		p.retire(ctx, r, false)
	}
}

// abandon retires a run that does not return. One that has returned meanwhile is retired as what it is.
func (p *partition) abandon(ctx actor.Context, r *run) {
	lost := r.abandon()
	if lost {
		r.tellFinal()
	}
	p.retire(ctx, r, lost)
	if lost {
		p.share.count.tell()
	}
}

// retire forgets a run that has an outcome.
func (p *partition) retire(ctx actor.Context, r *run, lost bool) {
	p.disarm(r)
	r.retired = true
	p.share.retire(r, lost)
	p.exitIfDone(ctx)
}

// close stops every task; the partition ends with the last.
func (p *partition) close(ctx actor.Context) {
	if p.closing {
		return
	}
	p.closing = true
	p.share.close()
	p.each(func(r *run) { r.stop(actor.ErrShutdown) })
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
	p.each(func(r *run) { p.abandon(ctx, r) })
}

// crashed is the end of a partition by whatever way; after an orderly one there is nothing left to do.
func (p *partition) crashed(ctx actor.Context) {
	p.share.close()
	for _, r := range p.share.runs() {
		switch {
		case r.retired:
		case r.PID() == nil:
			p.refuse(ctx, r)
		default:
			r.stop(ErrClosed)
			p.abandon(ctx, r)
		}
	}
}

// each calls f for the runs that have begun and are not retired.
func (p *partition) each(f func(*run)) {
	for _, r := range p.begun() {
		if !r.retired {
			f(r)
		}
	}
}

// begun returns the runs that have begun, the abandoned included. The others wait in the mailbox.
func (p *partition) begun() []*run {
	return slices.DeleteFunc(p.share.runs(), func(r *run) bool { return r.PID() == nil })
}
