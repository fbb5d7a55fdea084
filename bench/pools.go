package main

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"

	"github.com/gentask/gentask/queue"
)

// pool runs functions, inFlight at a time; stop waits for them.
type pool interface {
	submit(f func()) error
	stop()
}

// byHand is a consumer as one writes it without a library: a loop that receives, a pool that runs
// each job and recovers, and a goroutine that settles what has come up. It drains the same memory
// queue as our side.
func byHand(newPool func() (pool, error)) side {
	return func(ctx context.Context, t *trial) error {
		q := newMemory(t)
		defer q.Close()
		if err := q.Publish(ctx, t.tally.messages(small)...); err != nil {
			return err
		}
		p, err := newPool()
		if err != nil {
			return err
		}
		t.begin()
		err = consumeByHand(ctx, t, q, p)
		t.end()
		if err != nil {
			return err
		}
		if err := t.tally.check(); err != nil {
			return err
		}
		return checkMemory(q)
	}
}

func consumeByHand(ctx context.Context, t *trial, q queue.Source, p pool) error {
	s, err := q.Open(ctx, queue.Options{Prefetch: inFlight})
	if err != nil {
		return err
	}
	done := make(chan *queue.Delivery, inFlight)
	settled := make(chan error, 1)
	go func() { settled <- settleAll(ctx, s, done) }()
	for range t.jobs {
		d, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		if err := p.submit(func() { runByHand(t, d, done) }); err != nil {
			return err
		}
	}
	p.stop()
	close(done)
	if err := <-settled; err != nil {
		return err
	}
	return s.Close(ctx)
}

// runByHand runs a job; a panic would be the end of the job and not of the process.
func runByHand(t *trial, d *queue.Delivery, done chan<- *queue.Delivery) {
	defer func() {
		_ = recover() // any panic: this is a benchmark of code that others write
		done <- d
	}()
	t.tally.ran(d.Body)
}

// settleAll acknowledges what has come up since the last time in one batch.
func settleAll(ctx context.Context, s queue.Session, done <-chan *queue.Delivery) error {
	var batch []queue.Settlement
	for d := range done {
		batch = append(batch[:0], queue.Settlement{Delivery: d, Disposition: queue.Ack})
		for more := len(done); more > 0; more-- {
			batch = append(batch, queue.Settlement{Delivery: <-done, Disposition: queue.Ack})
		}
		if err := s.Settle(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// goroutines is a goroutine for each job.
type goroutines struct{ wg sync.WaitGroup }

func newGoroutines() (pool, error) { return &goroutines{}, nil }

func (g *goroutines) submit(f func()) error {
	g.wg.Go(f)
	return nil
}

func (g *goroutines) stop() { g.wg.Wait() }

// antsPool is panjf2000/ants.
type antsPool struct {
	*ants.Pool
	wg sync.WaitGroup
}

func newAnts() (pool, error) {
	p, err := ants.NewPool(inFlight)
	return &antsPool{Pool: p}, err
}

func (a *antsPool) submit(f func()) error {
	a.wg.Add(1)
	return a.Submit(func() {
		defer a.wg.Done()
		f()
	})
}

func (a *antsPool) stop() {
	a.wg.Wait()
	a.Release()
}

// pondPool is alitto/pond.
type pondPool struct{ pond.Pool }

func newPond() (pool, error) { return pondPool{pond.NewPool(inFlight)}, nil }

func (p pondPool) submit(f func()) error { return p.Go(f) }

func (p pondPool) stop() { p.StopAndWait() }
