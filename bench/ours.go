package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// consume is our side wherever the jobs come from: a consumer with the defaults of the library but
// for the concurrency. It fails unless every job ran exactly once.
func consume(ctx context.Context, t *trial, source queue.Source, concurrency int, b gentask.Behavior) error {
	if err := consumeAll(ctx, t, source, gentask.Config{Concurrency: concurrency}, b); err != nil {
		return err
	}
	return t.tally.check()
}

// consumeAll consumes until every job has run. The clock runs from the start of the consumer until
// it holds nothing any more: every job has run, and its settlement was handed to the broker. The
// actor system is there before, as it is for the pair. When it returns, however, the consumer is
// gone.
func consumeAll(ctx context.Context, t *trial, source queue.Source, cfg gentask.Config, b gentask.Behavior) error {
	cfg.System = actor.NewSystem(actor.SystemConfig{})
	c, err := gentask.New(source, b, cfg)
	if err != nil {
		return err
	}
	t.begin()
	if err := c.Start(); err != nil {
		return err
	}
	ranErr := t.tally.wait(ctx)
	for ranErr == nil && c.Health().Held > 0 {
		ranErr = sleep(ctx, 100*time.Microsecond)
	}
	t.end()
	report, err := stop(ctx, c)
	if err := errors.Join(ranErr, err, c.Err()); err != nil {
		return err
	}
	return wasIdle(report)
}

// stopTime is what a consumer gets to stop, which it does in no time unless something is wrong.
const stopTime = 30 * time.Second

// stop stops c, also when ctx has ended.
func stop(ctx context.Context, c *gentask.Consumer) (gentask.DrainReport, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return c.Stop(ctx)
}

// wasIdle fails if there was something left to drain.
func wasIdle(r gentask.DrainReport) error {
	if r.Lost != 0 || len(r.Cancelled) != 0 || len(r.Abandoned) != 0 {
		return fmt.Errorf("a drain that was none: %+v", r)
	}
	return nil
}

// noOp is a job that does nothing but being counted.
func noOp(t *trial) gentask.Behavior {
	return gentask.Handle(func(_ context.Context, body []byte) error {
		t.tally.ran(body)
		return nil
	})
}

// newMemory returns a memory queue. That of a warm-up keeps a journal, so that its Check goes over
// each delivery of the configuration that is then measured: settled once, in its session, within
// the prefetch.
func newMemory(t *trial) *memory.Queue { return memory.New(memory.Config{Journal: t.warmUp}) }

// checkMemory fails unless the books balance and every message was acknowledged.
func checkMemory(q *memory.Queue) error {
	if err := q.Check(); err != nil {
		return err
	}
	if s := q.Stats(); s.Acked != s.Published || s.Ready+s.Delayed+s.Held+s.Sessions != 0 {
		return fmt.Errorf("not everything is acknowledged: %+v", s)
	}
	return nil
}

// patient is for jobs that wait for each other: with so many that a busy machine needs more than
// the default timeout to start them all.
func patient(concurrency int) gentask.Config {
	return gentask.Config{Concurrency: concurrency, Timeout: time.Hour}
}

// fromMemory consumes a filled memory queue: messages of size bytes, behaviour made by behave.
func fromMemory(concurrency, size int, behave func(*trial) gentask.Behavior) side {
	return fromMemoryWith(gentask.Config{Concurrency: concurrency}, size, behave)
}

func fromMemoryWith(cfg gentask.Config, size int, behave func(*trial) gentask.Behavior) side {
	return func(ctx context.Context, t *trial) error {
		q := newMemory(t)
		defer q.Close()
		if err := q.Publish(ctx, t.tally.messages(size)...); err != nil {
			return err
		}
		if err := consumeAll(ctx, t, q, cfg, behave(t)); err != nil {
			return err
		}
		return errors.Join(t.tally.check(), checkMemory(q))
	}
}
