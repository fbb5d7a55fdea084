package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// fleet is many consumers in one process, each on a queue of its own, and as many with the client
// alone.
type fleet struct {
	rabbit    rabbit
	consumers int
	jobs      int // of each
}

// names implements measurement.
func (f fleet) names() (suite, name, peer string) {
	return "load", fmt.Sprintf("%d consumers/%s/p%d", f.consumers, f.rabbit.kind, f.rabbit.prefetch), "amqp091-go"
}

// measure implements measurement.
func (f fleet) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, peer := f.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	ctx, cancel := within(ctx)
	defer cancel()
	s := &squad{fleet: f, trial: newTrial(f.consumers*f.jobs, false), system: actor.NewSystem(actor.SystemConfig{})}
	before := weigh().goroutines
	broker, err := f.rabbit.broker()
	if err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("gentask-bench.%x", rand.Uint64())
	for i := range f.consumers {
		s.queues = append(s.queues, broker.Queue(fmt.Sprintf("%s.%d", prefix, i)))
	}
	err = errors.Join(s.sail(ctx), s.delete(ctx), broker.Close())
	left := quiet(before)
	lines := s.trial.tally.books(suite, name)
	if err != nil {
		return lines, err
	}
	l := result.Line{Suite: suite, Case: name}
	return append(
		lines,
		against(l, peer, result.HeldEach, s.idle.bytes, s.bare.bytes, 0),
		against(l, peer, result.GoroutinesEach, s.idle.goroutines, s.bare.goroutines, 0),
		against(l, "itself before the jobs", result.HeldEach, s.after.bytes, s.idle.bytes, 0),
		against(l, "itself before the jobs", result.GoroutinesEach, s.after.goroutines, s.idle.goroutines, growth),
		against(l, "the deadline", result.Wall, s.stopping.Seconds(), stopTime.Seconds(), 1),
		against(l, "before the start", result.Goroutines, left, before, 1),
	), nil
}

// against fills l in: ours against theirs, with a target unless that is zero.
func against(l result.Line, peer string, u result.Unit, ours, theirs, target float64) result.Line {
	q := ratio(ours, theirs)
	l.Peer, l.Unit, l.Ours, l.Theirs, l.Ratio, l.RatioMin, l.RatioMax, l.OK = peer, u, ours, theirs, q, q, q, true
	if target > 0 {
		l.Target, l.OK = &target, u.Meets(q, target)
	}
	return l
}

// squad is a fleet under way, and what was seen of it.
type squad struct {
	fleet  fleet
	trial  *trial
	system *actor.System // that all consumers share
	queues []*rabbitmq.Queue
	all    []*gentask.Consumer

	idle, after, bare weight // each consumer: idle, idle again after the jobs, and with the client alone
	stopping          time.Duration
}

// weight is what there is of a process, or of a part of it.
type weight struct{ bytes, goroutines float64 }

func weigh() weight { return weight{float64(inUse()), float64(runtime.NumGoroutine())} }

// each is what has come since before, for each of n.
func (w weight) each(before weight, n int) weight {
	return weight{(w.bytes - before.bytes) / float64(n), (w.goroutines - before.goroutines) / float64(n)}
}

// sail starts the consumers, gives each its jobs, stops them all, and makes sure that nothing is
// left at the broker.
func (s *squad) sail(ctx context.Context) error {
	for i, q := range s.queues {
		c, err := gentask.New(q, s.behavior(i), gentask.Config{Concurrency: s.fleet.rabbit.prefetch, System: s.system})
		if err != nil {
			return err
		}
		s.all = append(s.all, c)
	}
	before := weigh()
	err := s.start(ctx)
	if err == nil {
		s.idle = weigh().each(before, len(s.all))
		err = errors.Join(s.publish(ctx), s.trial.tally.wait(ctx), s.rest(ctx))
	}
	if err == nil {
		quiet(before.goroutines + s.idle.goroutines*float64(len(s.all)))
		s.after = weigh().each(before, len(s.all))
	}
	if err := errors.Join(err, s.stop(ctx)); err != nil {
		return err
	}
	if err := each(s.queues, func(_ int, q *rabbitmq.Queue) error { return checkRabbit(ctx, q) }); err != nil {
		return err
	}
	return s.weighBare()
}

// quiet waits a moment until there are no more goroutines than n, and returns how many there are.
func quiet(n float64) float64 {
	_ = settles(func() (string, error) {
		if now := runtime.NumGoroutine(); float64(now) > n {
			return fmt.Sprint(now), nil
		}
		return "", nil
	})
	return float64(runtime.NumGoroutine())
}

// behavior is the job of the i-th queue. One of another queue is one too many.
func (s *squad) behavior(i int) gentask.Behavior {
	return gentask.Handle(func(_ context.Context, body []byte) error {
		if len(body) < smallest || number(body)/uint64(s.fleet.jobs) != uint64(i) {
			body = nil
		}
		s.trial.tally.ran(body)
		return nil
	})
}

// start starts all, and waits until they consume.
func (s *squad) start(ctx context.Context) error {
	for _, c := range s.all {
		if err := c.Start(); err != nil {
			return err
		}
	}
	return s.wait(ctx, func(h gentask.Health) bool { return h.State == gentask.Consuming })
}

// rest waits until no consumer holds a delivery.
func (s *squad) rest(ctx context.Context) error {
	return s.wait(ctx, func(h gentask.Health) bool { return h.Held == 0 && h.Running == 0 })
}

// wait waits until all are as wanted.
func (s *squad) wait(ctx context.Context, wanted func(gentask.Health) bool) error {
	for i, c := range s.all {
		for !wanted(c.Health()) {
			if err := sleep(ctx, time.Millisecond); err != nil {
				return fmt.Errorf("consumer %d of %d is %+v: %w", i, len(s.all), c.Health(), err)
			}
		}
	}
	return nil
}

// publish gives each queue its jobs, over a connection that is gone afterwards.
func (s *squad) publish(ctx context.Context) error {
	broker, err := s.fleet.rabbit.broker()
	if err != nil {
		return err
	}
	msgs := s.trial.tally.messages(s.fleet.rabbit.size)
	err = each(s.queues, func(i int, q *rabbitmq.Queue) error {
		return broker.Queue(q.Name()).Publish(ctx, msgs[i*s.fleet.jobs:(i+1)*s.fleet.jobs]...)
	})
	return errors.Join(err, broker.Close())
}

// stop stops all at a time, within one deadline. Nothing was to be done any more.
func (s *squad) stop(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	errs := make([]error, len(s.all))
	var wg sync.WaitGroup
	for i, c := range s.all {
		wg.Go(func() {
			report, err := c.Stop(ctx)
			errs[i] = errors.Join(err, c.Err(), wasIdle(report))
		})
	}
	wg.Wait()
	s.stopping = time.Since(began)
	return errors.Join(errs...)
}

// delete deletes what there is at the broker.
func (s *squad) delete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return each(s.queues, func(_ int, q *rabbitmq.Queue) error { return q.Delete(ctx) })
}

// weighBare is as many consumers with the client alone: a connection and a channel for each, and a
// goroutine that receives.
func (s *squad) weighBare() error {
	before := weigh()
	var receivers sync.WaitGroup
	conns := make([]*amqp.Connection, len(s.queues))
	err := each(s.queues, func(i int, q *rabbitmq.Queue) error {
		conn, err := amqp.Dial(env("GENTASK_RABBITMQ_URL", rabbitDefault))
		if err != nil {
			return err
		}
		conns[i] = conn
		_, deliveries, err := consumeBare(conn, q.Name(), s.fleet.rabbit.prefetch)
		if err != nil {
			return err
		}
		receivers.Go(func() {
			for d := range deliveries {
				_ = d.Nack(false, true) // there is none: the queue is empty
			}
		})
		return nil
	})
	s.bare = weigh().each(before, len(conns))
	for _, conn := range conns {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	receivers.Wait()
	return err
}

// each calls f for all items, some at a time, and waits for them.
func each[T any](items []T, f func(int, T) error) error {
	const atATime = 8
	errs := make([]error, len(items))
	slots := make(chan struct{}, atATime)
	var wg sync.WaitGroup
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i, item)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
