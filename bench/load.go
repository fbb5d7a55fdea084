package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// growth is how much more of everything there may be late in a run than early, by the medians of
// both.
const growth = 1.1

// load is much of everything, over RabbitMQ: messages, bytes, consumers. Messages are consumed
// while others are published, so the broker never keeps many.
func load(o options) []measurement {
	quorum := rabbit{kind: rabbitmq.Quorum, prefetch: 1000}
	short, long := quorum, quorum
	short.size, long.size = usual, 1<<20
	return []measurement{
		heavy{rabbit: short, jobs: o.most(1_000_000, 2_000), backlog: 10_000, batch: 1_000, rate: o.rate, every: o.step(time.Second)},
		heavy{rabbit: long, jobs: o.most(20_000, 20), backlog: 128, batch: 8, rate: o.rate, every: o.step(time.Second)},
		fleet{rabbit: rabbit{kind: rabbitmq.Quorum, prefetch: 10, size: usual}, consumers: o.most(200, 3), jobs: o.most(500, 10)},
	}
}

// most is n, or less if there are to be so few jobs, or what is quick.
func (o options) most(n, quick int) int {
	switch {
	case o.quick:
		return quick
	case o.jobs > 0:
		return min(n, o.jobs)
	}
	return n
}

// step is d, or what is quick.
func (o options) step(d time.Duration) time.Duration {
	if o.quick {
		return 5 * time.Millisecond
	}
	return d
}

// heavy is a run of many messages through one queue, during which the process must not grow.
type heavy struct {
	rabbit  rabbit
	jobs    int
	backlog int // the most that are published and have not run
	batch   int
	rate    int
	every   time.Duration
}

// names implements measurement.
func (h heavy) names() (suite, name, peer string) {
	return "load", fmt.Sprintf("%s/p%d/%d of %s", h.rabbit.kind, h.rabbit.prefetch, h.jobs, sizeName(h.rabbit.size)), "its second fifth"
}

// measure implements measurement.
func (h heavy) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, peer := h.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	const patience = time.Hour
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took more than %v", patience))
	defer cancel()
	t := newTrial(h.jobs, false)
	seen, err := h.run(ctx, t, r.heaps(suite, name))
	lines := t.tally.books(suite, name)
	if err != nil {
		return lines, err
	}
	slack := h.slack()
	for _, u := range seen.units {
		values := seen.series(u)
		l, err := later(result.Line{Suite: suite, Case: name, Peer: peer, Unit: u}, h.every, values, fifth(len(values), 1), fifth(len(values), 4))
		if err != nil {
			return lines, err
		}
		if more, ok := slack[u]; ok {
			l = allowed(l, more)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// slack is an increase that counts as no growth: a quarter of a batch of bodies, or 1 MiB, in the
// heap, twice that with the garbage, and a tenth of the jobs that may be in flight. A sample
// depends on how many messages are on their way at its moment.
func (h heavy) slack() map[result.Unit]float64 {
	bytes := max(1, float64(h.batch*h.rabbit.size)/(4<<20))
	return map[result.Unit]float64{
		result.Live: bytes, result.Mapped: 2 * bytes, result.Resident: 2 * bytes, result.Goroutines: float64(h.rabbit.prefetch) / 10,
	}
}

// run looks at the process for as long as it publishes and consumes.
func (h heavy) run(ctx context.Context, t *trial, profiles *heaps) (*recorder, error) {
	q, finish, err := h.rabbit.empty(ctx)
	if err != nil {
		return nil, err
	}
	f := newFeed(t, h.rabbit.size, h.backlog, h.batch, h.rate)
	b := gentask.Handle(func(_ context.Context, body []byte) error {
		f.ran(body)
		return nil
	})
	look := profiles.from(t.tally, (&process{done: t.tally.done, at: f.began}).look)
	seen := record(h.every, processUnits(), look)
	err = f.through(ctx, q, gentask.Config{Concurrency: h.rabbit.prefetch}, b)
	seen.end()
	return seen, errors.Join(err, profiles.end(), finish())
}
