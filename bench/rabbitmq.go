package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

const rabbitDefault = "amqp://guest:guest@127.0.0.1:5672/"

// slowJob is how long a job of the cases with slow jobs takes.
const slowJob = 10 * time.Millisecond

// rabbitMQ is consumption alone: the queue is filled before the clock starts.
func rabbitMQ(o options) []comparison {
	quorum1000 := rabbit{kind: rabbitmq.Quorum, prefetch: 1000, size: usual}
	classic1000 := rabbit{kind: rabbitmq.Classic, prefetch: 1000, size: usual}
	quorum100 := rabbit{kind: rabbitmq.Quorum, prefetch: 100, size: usual}
	slow := rabbit{kind: rabbitmq.Classic, prefetch: 100, size: usual, takes: slowJob}
	cases := []comparison{
		{
			name: "quorum/p1000", peer: "amqp091-go", ours: quorum1000.gentask, theirs: quorum1000.bare,
			claims: []claim{{unit: result.Rate, target: 1.2}},
		},
		{
			name: "classic/p1000", peer: "amqp091-go", ours: classic1000.gentask, theirs: classic1000.bare,
			claims: []claim{{unit: result.Rate, target: 1.2}},
		},
		{
			name: "quorum/p1000", peer: "the ideal: prefix by a timer", ours: quorum1000.gentask, theirs: quorum1000.ideal,
			claims: []claim{{unit: result.Rate, target: 0.8}},
		},
		{
			name: "quorum/p100", peer: "watermill-amqp", ours: quorum100.gentask, theirs: quorum100.watermill,
			claims: []claim{{unit: result.Rate, target: 1.7}},
		},
		{
			name: "classic/p100/jobs of 10 ms", peer: "amqp091-go", jobs: 10_000, ours: slow.gentask, theirs: slow.bare,
			claims: []claim{{unit: result.Rate, target: 1}},
		},
		{
			name: "classic/p100/jobs of 10 ms", peer: "watermill-amqp", jobs: 10_000, ours: slow.gentask, theirs: slow.watermill,
			share: 0.05, claims: []claim{{unit: result.Rate, target: 50}},
		},
	}
	for _, size := range []int{64, 16 << 10, 1 << 20} {
		r := rabbit{kind: rabbitmq.Quorum, prefetch: 100, size: size}
		cases = append(cases, comparison{
			name: "quorum/p100/payload " + sizeName(size), peer: "amqp091-go", jobs: payloadJobs(20_000, size),
			ours: r.gentask, theirs: r.bare,
		})
	}
	return o.each("rabbitmq", 50_000, 40, cases)
}

// rabbit is one configuration of broker and jobs, and both sides' programs for it.
type rabbit struct {
	kind     rabbitmq.QueueType
	prefetch int
	size     int
	takes    time.Duration // each job; zero is a no-op
}

// queue returns a new queue that holds t's messages, persistent and confirmed. Every side consumes
// such a queue, made by the same driver. See empty for finish.
func (r rabbit) queue(ctx context.Context, t *trial) (q *rabbitmq.Queue, finish func() error, err error) {
	q, finish, err = r.empty(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.fill(ctx, t, q); err != nil {
		return nil, nil, errors.Join(err, finish())
	}
	return q, finish, nil
}

// empty returns a new queue. finish deletes it, and fails unless it is empty, which it is not while
// something is unacknowledged and its consumer is gone.
func (r rabbit) empty(ctx context.Context) (q *rabbitmq.Queue, finish func() error, err error) {
	b, err := r.broker()
	if err != nil {
		return nil, nil, err
	}
	q = b.Queue(fmt.Sprintf("gentask-bench.%x", rand.Uint64()))
	return q, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return errors.Join(checkRabbit(ctx, q), q.Delete(ctx), b.Close())
	}, nil
}

func (r rabbit) broker() (*rabbitmq.Broker, error) {
	return rabbitmq.New(env("GENTASK_RABBITMQ_URL", rabbitDefault), rabbitmq.Config{Type: r.kind, Name: "gentask-bench"})
}

// fill publishes in batches, each of which is confirmed before the next.
func (r rabbit) fill(ctx context.Context, t *trial, q *rabbitmq.Queue) error {
	return batches(t.tally.messages(r.size), max(1, min(5_000, 16<<20/r.size)), func(batch []queue.Message) error {
		return q.Publish(ctx, batch...)
	})
}

// checkRabbit fails unless the queue is empty: a quorum queue applies acks after their channel is
// closed.
func checkRabbit(ctx context.Context, q *rabbitmq.Queue) error {
	return settles(func() (string, error) {
		s, err := q.Inspect(ctx)
		if s.Left()+s.DeadLettered+s.Consumers == 0 {
			return "", err
		}
		return fmt.Sprintf("%+v", s), err
	})
}

// gentask is our side.
func (r rabbit) gentask(ctx context.Context, t *trial) error {
	q, finish, err := r.queue(ctx, t)
	if err != nil {
		return err
	}
	return errors.Join(consume(ctx, t, q, r.prefetch, r.behavior(t)), finish())
}

// behavior is a no-op, or takes its time.
func (r rabbit) behavior(t *trial) gentask.Behavior {
	if r.takes == 0 {
		return noOp(t)
	}
	return gentask.Handle(func(ctx context.Context, body []byte) error {
		if err := sleep(ctx, r.takes); err != nil {
			return err
		}
		t.tally.ran(body)
		return nil
	})
}

// run is the job of the other sides.
func (r rabbit) run(t *trial, body []byte) {
	if r.takes > 0 {
		time.Sleep(r.takes)
	}
	t.tally.ran(body)
}
