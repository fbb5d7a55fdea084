package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// Queue is a queue that only the measurement uses.
type Queue interface {
	queue.Source
	queue.Publisher
}

// Config configures [Run]. All numbers must be positive, except Size and Rate.
type Config struct {
	// Jobs is how many jobs are published, each with a body of Size bytes, which no compression
	// makes smaller.
	Jobs, Size int

	// Publishers is how many publish at the same time, each Batch messages together.
	Publishers, Batch int

	// Concurrency is how many jobs run at a time, and how many messages the consumer holds.
	Concurrency int

	// Rate is how many jobs are published in a second. Zero means as many as possible.
	Rate float64

	// Progress, if not nil, is called with the number of jobs that were done since the last call.
	Progress func(n int)

	// Logger gets the log of the consumer.
	Logger *slog.Logger
}

// Result is what was measured.
type Result struct {
	// Published is how many messages the broker has confirmed, within Publishing.
	Published  int
	Publishing time.Duration

	// Done is how many jobs the broker has taken the acknowledgement of, within Took, from the
	// first publishing on. A message that was delivered again counts once.
	Done int
	Took time.Duration

	// P50, P99 and Max are the times from the publishing of a message to the start of its run.
	P50, P99, Max time.Duration
}

// run is a measurement that runs.
type run struct {
	cfg   Config
	queue Queue
	body  []byte
	meter *meter

	next      atomic.Int64 // the first message that no publisher has taken
	published atomic.Int64
	publishes atomic.Int64 // the nanoseconds of all publishing until now
	done      int
}

// Run publishes jobs that do nothing, consumes them at the same time, and returns what it has
// measured when all are done, or, with an error, until then. It ends early if ctx ends, a publisher
// fails, or the consumer gives up.
func Run(ctx context.Context, q Queue, cfg Config) (Result, error) {
	r := &run{cfg: cfg, queue: q, body: make([]byte, cfg.Size), meter: newMeter(cfg.Jobs)}
	_, _ = rand.Read(r.body) // it never fails
	consumer, err := gentask.New(q, gentask.Handle(func(context.Context, gentask.Raw) error { return nil }),
		gentask.Config{
			Concurrency: cfg.Concurrency, FailFast: true, DrainTimeout: -1, Logger: cfg.Logger,
			Policy: gentask.Policy{Middleware: []gentask.Middleware{r.measured}},
		})
	if err != nil {
		return Result{}, err
	}
	if err := consumer.Start(); err != nil {
		return Result{}, err
	}
	err = r.measure(ctx, consumer)
	result := r.result()
	_, stopped := consumer.Stop(context.WithoutCancel(ctx))
	return result, errors.Join(err, stopped)
}

// measured is a middleware that measures how long a message has waited.
func (r *run) measured(next gentask.RunFunc) gentask.RunFunc {
	return func(ctx context.Context, job gentask.Job[any]) (any, error) {
		if i, err := strconv.Atoi(job.ID()); err == nil {
			r.meter.started(i)
		}
		return next(ctx, job)
	}
}

// lookEvery is how often the number of jobs that are done is looked at.
const lookEvery = 2 * time.Millisecond

// measure publishes until all jobs are done.
func (r *run) measure(ctx context.Context, c *gentask.Consumer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var publishers sync.WaitGroup
	defer publishers.Wait()
	defer cancel(nil)
	for range r.cfg.Publishers {
		publishers.Go(func() {
			if err := r.publish(ctx); err != nil {
				cancel(err)
			}
		})
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !r.look(c) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.Done():
			return errors.Join(errors.New("the consumer has ended"), c.Err())
		}
	}
	return nil
}

// look reports whether all jobs are done. Those that were delivered again are done more than once,
// and the confirm of a message may come after its job was done.
func (r *run) look(c *gentask.Consumer) bool {
	ended, ran := int(c.Health().Done), r.meter.count() //nolint:gosec // Jobs, and some more
	done := min(ended, ran)
	if done > r.done {
		if r.cfg.Progress != nil {
			r.cfg.Progress(done - r.done)
		}
		r.done = done
	}
	return done == r.cfg.Jobs && int(r.published.Load()) == r.cfg.Jobs
}

// publish publishes batches until there are no more.
func (r *run) publish(ctx context.Context) error {
	batch := r.batch()
	for {
		from := int(r.next.Add(int64(batch))) - batch
		if from >= r.cfg.Jobs {
			return nil
		}
		if err := r.pace(ctx, from); err != nil {
			return err
		}
		msgs := make([]queue.Message, min(batch, r.cfg.Jobs-from))
		for i := range msgs {
			msgs[i] = queue.Message{ID: strconv.Itoa(from + i), Body: r.body}
			r.meter.sending(from + i)
		}
		if err := r.queue.Publish(ctx, msgs...); err != nil {
			return r.failed(ctx, err, len(msgs))
		}
		r.publishes.Store(int64(time.Since(r.meter.begun)))
		r.published.Add(int64(len(msgs)))
	}
}

// failed returns the error of a publisher, and counts what was confirmed all the same.
func (r *run) failed(ctx context.Context, err error, sent int) error {
	var failed *queue.PublishError
	if errors.As(err, &failed) {
		r.published.Add(int64(sent - len(failed.Failed)))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("publish: %w", err)
}

// perBatch is how many batches there are in a second with a rate, so that they make no bursts.
const perBatch = 100

// batch returns how many messages are published together.
func (r *run) batch() int {
	if r.cfg.Rate <= 0 {
		return r.cfg.Batch
	}
	return max(1, int(min(float64(r.cfg.Batch), r.cfg.Rate/perBatch)))
}

// pace waits until the message is due by the rate.
func (r *run) pace(ctx context.Context, message int) error {
	if r.cfg.Rate <= 0 {
		return nil
	}
	due := time.Duration(float64(message) / r.cfg.Rate * float64(time.Second))
	select {
	case <-time.After(due - time.Since(r.meter.begun)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// result returns what was measured until now.
func (r *run) result() Result {
	result := Result{
		Published: int(r.published.Load()), Publishing: time.Duration(r.publishes.Load()),
		Done: r.done, Took: time.Since(r.meter.begun),
	}
	result.P50, result.P99, result.Max = r.meter.quantiles()
	return result
}
