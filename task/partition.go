package task

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// partition is the actor that supervises a share of the tasks: it spawns them, holds their timers, and tells their owners how they ended.
type partition struct {
	grace    time.Duration
	runs     runs // those that have not ended and are not abandoned
	closing  bool
	deadline *time.Timer
}

func newPartition(cfg Config) *partition {
	return &partition{grace: cfg.Grace}
}

// Messages to a partition. The first two are the run itself, so that a task's normal life needs no allocation for them.
type (
	start run
	ended run
	// timeUp comes from the timer of a run; an old generation is of a timer that was stopped too late.
	timeUp struct {
		run        *run
		generation int
	}
	// graceUp says that a run which was told to stop has had its time.
	graceUp struct {
		run        *run
		generation int
	}
	// yield gives a run more time.
	yield struct {
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
	list struct{ answer func([]*run) }
	// closeTime says that the partition's own stop has taken its grace.
	closeTime struct{}
)

// Receive is one turn of the partition.
func (p *partition) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		actor.TrapStop(ctx)
	case *start:
		p.start(ctx, (*run)(msg))
	case *ended:
		p.ended(ctx, (*run)(msg))
	case *timeUp:
		p.timeUp(ctx, msg)
	case *yield:
		p.yield(ctx, msg)
	case *shutdown:
		p.shutdown(ctx, msg)
	case *graceUp:
		p.graceUp(ctx, msg)
	case *adopt:
		p.adopt(ctx, msg)
	case *list:
		msg.answer(p.runs.all())
	case *actor.StopRequest:
		p.close(ctx)
	case *closeTime:
		p.abandonAll(ctx)
	case *actor.Stopping:
		p.crashed()
	}
}

func (p *partition) start(ctx actor.Context, r *run) {
	p.runs.add(r)
	if r.timeout > 0 {
		p.arm(ctx, r, r.timeout)
	}
	r.Start(ctx.ActorSystem(), ctx.Self().Id+"/task", r)
	if p.closing {
		r.stop(actor.ErrShutdown)
	}
}

// arm starts the run's timer anew.
func (p *partition) arm(ctx actor.Context, r *run, d time.Duration) {
	p.disarm(r)
	r.timer = actor.SendAfter(ctx, d, &timeUp{run: r, generation: r.generation})
}

func (p *partition) disarm(r *run) {
	r.generation++
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// ended is the way out of every task that returned.
func (p *partition) ended(ctx actor.Context, r *run) {
	if !p.runs.has(r) {
		return // abandoned before: its owner has heard
	}
	p.retire(ctx, r)
}

// retire tells the owner how the run ended, and forgets it.
func (p *partition) retire(ctx actor.Context, r *run) {
	p.disarm(r)
	p.runs.remove(r)
	if r.owner != nil {
		r.final = r.outcome()
		ctx.Send(r.owner, &r.final)
	}
	if p.closing && p.runs.empty() {
		p.exit(ctx)
	}
}

func (p *partition) timeUp(ctx actor.Context, msg *timeUp) {
	r := msg.run
	if msg.generation != r.generation || r.over() || r.owner == nil {
		return // a value that is there already wins: its ended is on the way
	}
	o := r.outcome()
	if o.Status == Timeout {
		ctx.Send(r.owner, &o)
	}
}

func (p *partition) yield(ctx actor.Context, msg *yield) {
	if p.runs.has(msg.run) {
		p.arm(ctx, msg.run, msg.more)
	}
}

func (p *partition) shutdown(ctx actor.Context, msg *shutdown) {
	r := msg.run
	if !p.runs.has(r) {
		return // its outcome is out
	}
	r.stop(msg.cause)
	p.disarm(r)
	if msg.grace <= 0 {
		p.abandon(ctx, r)
		return
	}
	r.timer = actor.SendAfter(ctx, msg.grace, &graceUp{run: r, generation: r.generation})
}

func (p *partition) graceUp(ctx actor.Context, msg *graceUp) {
	if msg.generation == msg.run.generation && p.runs.has(msg.run) {
		p.abandon(ctx, msg.run)
	}
}

// abandon retires a run that does not return. One that has returned meanwhile is retired by its ended.
func (p *partition) abandon(ctx actor.Context, r *run) {
	if r.abandon() {
		p.retire(ctx, r)
	}
}

func (p *partition) adopt(ctx actor.Context, msg *adopt) {
	r := msg.run
	r.owner = msg.owner
	if !p.runs.has(r) && r.owner != nil {
		o := r.outcome() // it ended before the new owner came
		ctx.Send(r.owner, &o)
	}
}

// close stops every task; the partition ends with the last.
func (p *partition) close(ctx actor.Context) {
	if p.closing {
		return
	}
	p.closing = true
	p.runs.each(func(r *run) { r.stop(actor.ErrShutdown) })
	switch {
	case p.runs.empty():
		p.exit(ctx)
	case p.grace < 0:
		p.abandonAll(ctx)
	default:
		p.deadline = actor.SendAfter(ctx, p.grace, &closeTime{})
	}
}

func (p *partition) exit(ctx actor.Context) {
	if p.deadline != nil {
		p.deadline.Stop()
	}
	actor.Exit(ctx, actor.ErrShutdown)
}

func (p *partition) abandonAll(ctx actor.Context) {
	p.runs.each(func(r *run) { p.abandon(ctx, r) })
}

// crashed is the end of a partition by whatever way; after an orderly one there is nothing left to do.
func (p *partition) crashed() {
	p.runs.each(func(r *run) {
		p.disarm(r)
		r.stop(actor.ErrKilled)
	})
}

// runs is a set of runs, linked through them.
type runs struct{ first *run }

func (s *runs) empty() bool { return s.first == nil }

// has is true from add to remove: a run in the set is its first or has a predecessor.
func (s *runs) has(r *run) bool { return s.first == r || r.prev != nil }

func (s *runs) add(r *run) {
	r.next = s.first
	if s.first != nil {
		s.first.prev = r
	}
	s.first = r
}

func (s *runs) remove(r *run) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		s.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// each calls f for each run; f may remove it.
func (s *runs) each(f func(*run)) {
	for r := s.first; r != nil; {
		next := r.next
		f(r)
		r = next
	}
}

func (s *runs) all() []*run {
	var all []*run
	s.each(func(r *run) { all = append(all, r) })
	return all
}
