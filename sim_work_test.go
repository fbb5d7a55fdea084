package gentask

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

// simJob is the payload of the simulation's messages.
type simJob struct{ ID string }

var errSim = errors.New("simulated failure")

// Run implements Worker. It does anything that user code can do.
func (s *sim) Run(ctx context.Context, j simJob) (int, error) {
	job, ok := FromContext(ctx)
	if !ok {
		s.fail("a run of %q does not know its job", j.ID)
	}
	r := s.enter(ctx, job, j.ID)
	defer s.leave(r)
	if s.calm.Load() {
		return 1, nil
	}
	d := s.upTo(oneOf(s.conductor, time.Millisecond, 100*time.Millisecond, 3*time.Second))
	switch kind := s.below(16); kind {
	case 0, 1:
		return 1, nil
	case 2, 3, 4:
		r.rest(d)
		return 1, ctx.Err()
	case 5:
		r.rest(d)
		return 0, errSim
	case 6:
		r.rest(d)
		panic(oneOf[any](s.conductor, "boom", errSim, nil))
	case 7:
		r.rest(d)
		runtime.Goexit()
	case 8:
		r.rest(20 * time.Second) // until it is cancelled
		return 0, ctx.Err()
	case 9:
		r.rest(20 * time.Second) // a value all the same
		return 1, nil
	case 10:
		r.deaf(d)
		return oneOf(s.conductor, 0, 1), oneOf(s.conductor, nil, errSim)
	case 11, 12:
		s.early(j.ID, r.job.Settle(s.anyDecision(time.Second)))
		r.rest(d)
		return 0, oneOf(s.conductor, nil, errSim)
	case 13:
		r.company(ctx)
		r.rest(d)
		return 1, nil
	case 14:
		r.company(ctx)
		return 1, nil
	case 15:
		r.job.Cancel()
		r.rest(d)
		return 1, nil
	}
	return 1, nil
}

// simRun is one run.
type simRun struct {
	s       *sim
	ctx     context.Context //nolint:containedctx // of a run that is being watched
	job     Job[any]
	task    *task.Task[any]
	name    string
	stopped time.Time // when its deaf part saw that it was to stop
}

// rest waits for d, or until the run is to stop.
func (r *simRun) rest(d time.Duration) { r.s.pause(r.name, d, r.ctx.Done()) }

// deaf is told that it is to stop, and goes on for d.
func (r *simRun) deaf(d time.Duration) {
	if !r.s.pause(r.name, d, r.ctx.Done()) {
		return
	}
	r.stopped = time.Now()
	r.s.pause(r.name, r.s.upTo(oneOf(r.s.conductor, 50*time.Millisecond, 20*time.Second)), nil)
}

// company starts goroutines that belong to the task; some fail.
func (r *simRun) company(ctx context.Context) {
	for i := range 1 + r.s.below(2) {
		name := fmt.Sprintf("%s/%d", r.name, i)
		_ = task.Go(ctx, func(ctx context.Context) error {
			r.s.turn(name)
			r.s.pause(name, r.s.upTo(time.Second), ctx.Done())
			switch r.s.below(4) {
			case 0:
				return errSim
			case 1:
				panic("in company")
			}
			return nil
		})
	}
}

// HandleResult implements Worker.
func (s *sim) HandleResult(job Job[simJob], o task.Outcome[int]) Decision {
	s.heard(job.entry, o.Status)
	if s.bad[job.ID()] && !undecodable(o.Reason) {
		s.untried[job.ID()] = true
	}
	if s.calm.Load() {
		return Decision{}
	}
	switch n := s.below(40); {
	case n == 0:
		panic("in HandleResult")
	case n == 1:
		runtime.Goexit()
	case n == 2 && s.hanging:
		s.pause("handle "+job.ID(), s.upTo(15*time.Second), nil)
	case n < 6:
		s.early(job.ID(), job.Settle(s.anyDecision(time.Second)))
	case n < 16:
		return s.anyDecision(time.Second)
	case n < 26 && o.Status == task.Timeout:
		return Extend(s.upTo(time.Second))
	}
	return Decision{}
}

func (s *sim) anyDecision(most time.Duration) Decision {
	d := s.upTo(most)
	if s.everything != nil && s.chance(0.2) {
		return oneOf(s.conductor, Snooze(d), PauseConsumer())
	}
	return oneOf(s.conductor, Ack(), Ack(), Requeue(d), Requeue(0), Release(), DeadLetter(errSim), Extend(d), Decision{})
}

// behavior draws how the work is packed.
func (s *sim) behavior() Behavior {
	if s.everything != nil {
		switch n := s.below(8); {
		case n < 5 || s.everything.all:
			return s.kinds()
		case n < 6:
			return s.batches(0)
		}
	}
	switch s.below(5) {
	case 0:
		return s.handle()
	case 1, 2:
		return s.receive()
	}
	return Work[simJob, int](s)
}

// mishap is what happens seldom, and never when all is calm.
func (s *sim) mishap() bool { return !s.calm.Load() && s.chance(0.04) }

// simActor is a worker made by Actor.
type simActor struct {
	s   *sim
	job ActorJob[simJob]
}

// Receive implements actor.Actor.
func (a *simActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.trip(ctx)
		if err := a.job.Run(ctx, func(c context.Context) (any, error) { return a.s.Run(c, a.job.Payload()) }); err != nil {
			ctx.Stop(ctx.Self())
		}
	case *task.Outcome[any]:
		a.s.heard(a.job.entry, msg.Status)
		a.trip(ctx)
		a.outcome(ctx, msg)
	}
}

// trip has an accident, sometimes.
func (a *simActor) trip(ctx actor.Context) {
	switch {
	case !a.s.mishap():
	case a.s.chance(0.3):
		runtime.Goexit()
	case a.s.chance(0.3):
		ctx.Stop(ctx.Self())
	default:
		panic("in Receive")
	}
}

func (a *simActor) outcome(ctx actor.Context, o *task.Outcome[any]) {
	switch {
	case o.Status == task.Timeout && a.s.chance(0.3):
		o.Task.Extend(a.s.upTo(time.Second))
		return
	case o.Status == task.Timeout && a.s.chance(0.5):
		o.Task.Stop(errSim, a.s.upTo(time.Second))
		return
	case a.s.chance(0.3):
	case a.s.mishap():
		a.s.early(a.job.ID(), a.job.Settle(a.s.anyDecision(time.Second)))
	default:
		_ = a.job.Settle(DefaultDecision(a.job.Job, *o))
	}
	ctx.Stop(ctx.Self())
}
