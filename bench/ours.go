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

// consume is our side wherever the jobs come from: a consumer with the defaults of the library but for the concurrency. The clock runs from
// its start until it holds nothing any more: every job has run, and its settlement was handed to the broker. The actor
// system is there before, as it is for the pair.
func consume(ctx context.Context, t *trial, source queue.Source, concurrency int, b gentask.Behavior) error {
	c, err := gentask.New(source, b, gentask.Config{
		Concurrency: concurrency, System: actor.NewSystem(actor.SystemConfig{}),
	})
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
	report, err := c.Stop(ctx)
	if err := errors.Join(ranErr, err, c.Err()); err != nil {
		return err
	}
	if report.Lost != 0 || len(report.Cancelled) != 0 || len(report.Abandoned) != 0 {
		return fmt.Errorf("a drain that was none: %+v", report)
	}
	return t.tally.check()
}

// noOp is a job that does nothing but being counted.
func noOp(t *trial) gentask.Behavior {
	return gentask.Handle(func(_ context.Context, body []byte) error {
		t.tally.ran(body)
		return nil
	})
}

// newMemory returns a memory queue. That of a warm-up keeps a journal, so that its Check goes over each delivery of the configuration that
// is then measured: settled once, in its session, within the prefetch.
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

// fromMemory consumes a filled memory queue: messages of size bytes, behaviour made by behave.
func fromMemory(concurrency, size int, behave func(*trial) gentask.Behavior) side {
	return func(ctx context.Context, t *trial) error {
		q := newMemory(t)
		defer q.Close()
		if err := q.Publish(ctx, t.tally.messages(size)...); err != nil {
			return err
		}
		if err := consume(ctx, t, q, concurrency, behave(t)); err != nil {
			return err
		}
		return checkMemory(q)
	}
}
