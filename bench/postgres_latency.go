package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
)

// latency is the time from the commit of a job to its run, at a rate of jobs in a second.
type latency struct {
	rate int
	jobs int
}

// atOnce is how many jobs may be in the course of being published: one after the other would bound
// the rate.
const atOnce = 8

// names implements measurement.
func (l latency) names() (suite, name, peer string) {
	return "postgres", fmt.Sprintf("from commit to run at %d jobs/s", l.rate), "River"
}

// measure implements measurement. The targets are times, so the peer is the target itself.
func (l latency) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, peer := l.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	ctx, cancel := within(ctx)
	defer cancel()
	ours, err := l.run(ctx, l.ours)
	if err != nil {
		return nil, named("gentask", err)
	}
	theirs, err := l.run(ctx, l.theirs)
	if err != nil {
		return nil, named(peer, err)
	}
	middle, slow := 3_000., 10_000.
	if l.rate < 100 {
		middle, slow = 1_000, 5_000
	}
	line := result.Line{Suite: suite, Case: name}
	return []result.Line{
		against(line, "the target", result.Median, max(ours.middle, 1), middle, 1),
		against(line, "the target", result.Slowest, max(ours.slow, 1), slow, 1),
		against(line, peer, result.Median, max(ours.middle, 1), max(theirs.middle, 1), 0),
		against(line, peer, result.Slowest, max(ours.slow, 1), max(theirs.slow, 1), 0),
	}, nil
}

// times are in microseconds.
type times struct{ middle, slow float64 }

// clock has the moments at which each job was committed and began.
type clock struct {
	tally     *tally
	began     time.Time
	committed []atomic.Int64
	ran       []atomic.Int64
}

// run lets a side consume while it publishes.
func (l latency) run(ctx context.Context, side func(context.Context, *riverDB, *clock) error) (times, error) {
	c := &clock{tally: newTally(l.jobs), began: time.Now(), committed: make([]atomic.Int64, l.jobs), ran: make([]atomic.Int64, l.jobs)}
	err := inSchema(ctx, func(db *riverDB) error { return side(ctx, db, c) })
	if err := errors.Join(err, c.tally.check()); err != nil {
		return times{}, err
	}
	var d delays
	for i := range c.ran {
		d.add(time.Duration(c.ran[i].Load() - c.committed[i].Load())) // one that ran before its publisher heard has none
	}
	middle, slow := d.take()
	return times{middle, slow}, nil
}

// runs notes that a job runs.
func (c *clock) runs(i uint64) {
	c.ran[i].Store(int64(time.Since(c.began)))
	c.tally.ranNumber(i)
}

// publish calls one for each job at its time, some at a time, and waits until all have run.
func (l latency) publish(ctx context.Context, c *clock, one func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	start := time.Now()
	for i := range l.jobs {
		if err := sleep(ctx, time.Until(start.Add(time.Duration(i)*time.Second/time.Duration(l.rate)))); err != nil && ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		all.Go(func() {
			if err := one(ctx, i); err != nil {
				cancel(err)
			}
			c.committed[i].Store(int64(time.Since(c.began)))
			<-slots
		})
	}
	err := c.tally.wait(ctx)
	all.Wait()
	return err
}

// ours is our side.
func (l latency) ours(ctx context.Context, db *riverDB, c *clock) error {
	q, err := db.queue(ctx)
	if err != nil {
		return err
	}
	consumer, err := gentask.New(q, gentask.Handle(func(_ context.Context, body []byte) error {
		c.runs(number(body))
		return nil
	}), gentask.Config{Concurrency: 100})
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	bodies := c.tally.bodies(usual)
	err = l.publish(ctx, c, func(ctx context.Context, i int) error {
		return q.Publish(ctx, queue.Message{ID: strconv.Itoa(i), Body: bodies[i]})
	})
	_, stopErr := stop(ctx, consumer)
	return errors.Join(err, stopErr)
}

// theirs is River.
func (l latency) theirs(ctx context.Context, db *riverDB, c *clock) error {
	client, err := db.client(ctx, riverConfig(c.runs, 100))
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	bodies := c.tally.bodies(usual / 2)
	err = l.publish(ctx, c, func(ctx context.Context, i int) error {
		_, err := client.Insert(ctx, riverArgs{Number: uint64(i), Body: bodies[i]}, nil)
		return err
	})
	return errors.Join(err, client.Stop(context.WithoutCancel(ctx)))
}
