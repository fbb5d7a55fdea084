package fleet_test

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"
)

// simDice draw from a seed and a name, and not from the order of the calls. So goroutines that go
// on at the same instant draw the same values in every run. A name is for one goroutine at a time.
type simDice struct {
	seed uint64

	mu    sync.Mutex
	drawn map[string]uint64
}

// of returns numbers for the next call of that name.
func (d *simDice) of(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	d.mu.Lock()
	n := d.drawn[name]
	d.drawn[name]++
	d.mu.Unlock()
	return rand.New(rand.NewPCG(d.seed^h.Sum64(), n)) //nolint:gosec // it has to repeat itself
}

// upTo draws a duration from 1 ns to most.
func upTo(r *rand.Rand, most time.Duration) time.Duration {
	return 1 + time.Duration(r.Int64N(int64(most)))
}

// sleep waits for d. It returns the error of a ctx that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// simStage runs actors and tasks one after the other, in the order in which they were scheduled.
// The next one begins when all goroutines wait for something.
type simStage struct {
	mu    sync.Mutex
	queue []func()
	wake  chan struct{} // capacity 1
	end   chan struct{}
	done  chan struct{}
}

func newSimStage() *simStage {
	s := &simStage{wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

// Schedule implements actor.Dispatcher.
func (s *simStage) Schedule(run func()) {
	s.mu.Lock()
	s.queue = append(s.queue, run)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *simStage) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
		case <-s.end:
			return
		}
		synctest.Wait()
		for next := s.next(); next != nil; next = s.next() {
			go next() // it may wait
			synctest.Wait()
		}
	}
}

func (s *simStage) next() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	next := s.queue[0]
	s.queue = s.queue[1:]
	return next
}

// close ends the stage, on which nothing may run any more.
func (s *simStage) close() {
	close(s.end)
	<-s.done
}
