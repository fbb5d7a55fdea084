package gentask

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// kinds is a behaviour of all the others.
func (s *sim) kinds() Behavior {
	kinds := map[string]Behavior{
		"handle": s.handle(), "work": Work[simJob, int](s), "actor": s.receive(), "batch": s.batches(0), "pairs": s.batches(2),
		"": Mux("other", map[string]Behavior{AnyKind: s.batches(1)}),
	}
	if s.chance(0.5) {
		kinds[AnyKind] = Work[simJob, int](s)
	}
	return Mux("kind", kinds)
}

// batches makes a batch of the given size, as far as there are so many slots; zero draws one.
func (s *sim) batches(size int) Behavior {
	if size == 0 {
		size = s.below(s.cfg.Concurrency + 1)
	}
	cfg := BatchConfig{Size: min(size, s.cfg.Concurrency), Wait: s.upTo(2 * time.Second)}
	if s.chance(0.3) {
		cfg.Bytes = 1 + s.below(50)
	}
	if s.chance(0.5) {
		cfg.Key = func(m *queue.Message) string { return m.Headers["batch"] }
	}
	return Batch(func(ctx context.Context, jobs []Job[simJob]) (Results, error) { return s.batch(ctx, jobs, cfg) }, cfg)
}

// batch does anything that the function of a batch can do.
func (s *sim) batch(ctx context.Context, jobs []Job[simJob], cfg BatchConfig) (Results, error) {
	lead, _ := FromContext(ctx)
	s.turn(fmt.Sprintf("batch of task %d", taskOf(lead.entry).ID()))
	var first *simRun
	for _, j := range jobs {
		if !j.entry.item.Working() && !j.entry.stopped() {
			s.fail("%q is in a batch, and not at work", j.ID())
		}
		r := s.enter(ctx, Job[any]{entry: j.entry}, j.Payload().ID)
		defer s.leave(r)
		if j.entry == lead.entry {
			first = r
		}
	}
	s.fits(jobs, cfg)
	if first == nil {
		s.fail("a batch runs in the task of %q, which is not in it", lead.ID())
		return nil, nil
	}
	return s.mixed(first, jobs)
}

// fits checks that a batch is within its limits.
func (s *sim) fits(jobs []Job[simJob], cfg BatchConfig) {
	n, size := 0, or(cfg.Size, s.cfg.Concurrency)
	for _, j := range jobs {
		n += len(j.Body())
		if cfg.Key != nil && cfg.Key(&j.entry.delivery.Message) != cfg.Key(&jobs[0].entry.delivery.Message) {
			s.fail("%q and %q have different keys, and are in one batch", j.ID(), jobs[0].ID())
		}
	}
	if len(jobs) > size || len(jobs) == 0 || cfg.Bytes > 0 && n > cfg.Bytes && len(jobs) > 1 {
		s.fail("a batch has %d jobs and %d bytes: %+v", len(jobs), n, cfg)
	}
}

// mixed ends a batch in one way or another.
func (s *sim) mixed(r *simRun, jobs []Job[simJob]) (Results, error) {
	if s.calm.Load() {
		return AllDone(jobs), nil
	}
	d := s.upTo(oneOf(s.conductor, time.Millisecond, 100*time.Millisecond, 3*time.Second))
	switch s.below(10) {
	case 0:
		r.deaf(d)
	case 1:
		r.rest(20 * time.Second)
	case 2:
		r.rest(d)
		panic("in a batch")
	case 3:
		runtime.Goexit()
	case 4:
		return nil, oneOf(s.conductor, errSim, nil)
	case 5:
		jobs[s.below(len(jobs))].Cancel()
		r.rest(d)
	case 6:
		j := jobs[s.below(len(jobs))]
		s.early(j.ID(), j.Settle(s.anyDecision(time.Second)))
		r.rest(d)
	default:
		r.rest(d)
	}
	results := AllDone(jobs)
	for _, j := range jobs {
		switch s.below(10) {
		case 0:
			results[j.ID()] = oneOf(s.conductor, errSim, errRule, s.decisionAsError())
		case 1:
			delete(results, j.ID())
		}
	}
	return results, r.ctx.Err()
}

// early notes that a message was settled while it ran, so that it is unknown whether it was done.
func (s *sim) early(id string, err error) {
	if s.everything != nil && !errors.Is(err, ErrSettled) {
		s.everything.early[id] = true
	}
}

func (s *sim) handle() Behavior {
	return Handle(func(ctx context.Context, j simJob) error {
		_, err := s.Run(ctx, j)
		return err
	})
}

func (s *sim) receive() Behavior {
	return Actor(func(job ActorJob[simJob]) *actor.Props {
		if s.mishap() {
			panic("in the factory")
		}
		return actor.FromProducer(func() actor.Actor { return &simActor{s: s, job: job} })
	})
}
