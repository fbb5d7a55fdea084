package gentask

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

// conductor makes everything in a bubble happen one step at a time, in an order drawn from a seed.
// A step is one message of one actor (the conductor is the dispatcher of the actor system), or what
// another goroutine does from one turn to the next. Each step has an instant of its own, so timers
// set in different steps never fire together.
type conductor struct {
	order *rand.Rand // the conductor's own; nil for first come, first served

	mu      sync.Mutex
	rng     *rand.Rand               // of what is done in the steps
	queue   []func()                 // of actors and tasks, in the order of their scheduling
	waiting map[string]chan struct{} // goroutines that wait for their turn, by name
	wake    chan struct{}            // has a token when something has come to an empty house
	steps   int
}

func newConductor(seed uint64) *conductor {
	return &conductor{
		order:   rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // it has to repeat itself
		rng:     rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // likewise
		waiting: map[string]chan struct{}{},
		wake:    make(chan struct{}, 1),
	}
}

// Schedule implements actor.Dispatcher.
func (c *conductor) Schedule(run func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, run)
	c.poke()
}

// Throughput implements actor.Dispatcher: one message at a time.
func (c *conductor) Throughput() int { return 1 }

// turn blocks until it is the caller's turn. Its work until its next turn or its end is one step.
// Goroutines that are woken by a step call it before they do anything that others can see; a name
// is for one goroutine at a time, so that the order of their calls doesn't matter.
func (c *conductor) turn(name string) {
	c.mu.Lock()
	for c.waiting[name] != nil {
		name += "'"
	}
	mine := make(chan struct{})
	c.waiting[name] = mine
	c.poke()
	c.mu.Unlock()
	<-mine
}

// poke is called with mu held.
func (c *conductor) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// rest lets everything come to rest, and some time pass.
func (c *conductor) rest() {
	time.Sleep(c.gap()) // it passes only when all goroutines wait for something
	synctest.Wait()     // and here the race detector sees that they do
}

// step lets one function or goroutine go on, and doesn't wait for it. It reports false when none
// wants to.
func (c *conductor) step() bool {
	next := c.next()
	if next == nil {
		return false
	}
	go next()
	return true
}

// gap is the time between two steps: short as a rule, and sometimes long enough for timers to fire
// while messages are on their way.
func (c *conductor) gap() time.Duration {
	if c.order == nil {
		return 1
	}
	most := 100 * time.Microsecond
	if c.order.Float64() < 0.03 {
		most = 20 * time.Millisecond
	}
	return 1 + time.Duration(c.order.Int64N(int64(most)))
}

func (c *conductor) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.queue) + len(c.waiting)
	if n == 0 {
		select {
		case <-c.wake:
		default:
		}
		return nil
	}
	c.steps++
	i := 0
	if c.order != nil {
		i = c.order.IntN(n)
	}
	if i < len(c.queue) {
		run := c.queue[i]
		c.queue = slices.Delete(c.queue, i, i+1)
		return run
	}
	name := slices.Sorted(maps.Keys(c.waiting))[i-len(c.queue)]
	mine := c.waiting[name]
	delete(c.waiting, name)
	return func() { close(mine) }
}

// idle waits until somebody wants to go on, or for the limit.
func (c *conductor) idle(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.wake:
	case <-timer.C:
	}
}

// start starts a goroutine that waits for its turn first.
func (c *conductor) start(name string, f func()) {
	go func() {
		c.turn(name)
		f()
	}()
}

// pause waits for d, or until done is closed, and then for the caller's turn. It reports whether
// done was closed first.
func (c *conductor) pause(name string, d time.Duration, done <-chan struct{}) (cut bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
		cut = true
	}
	c.turn(name)
	return cut
}

// chance draws true with probability p.
func (c *conductor) chance(p float64) bool { return c.float() < p }

func (c *conductor) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Float64()
}

// below draws a number from 0 to n-1.
func (c *conductor) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// upTo draws a duration from 1 ns to most.
func (c *conductor) upTo(most time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 1 + time.Duration(c.rng.Int64N(int64(most)))
}

// between draws a duration from least to most, which is odd in both senses.
func (c *conductor) between(least, most time.Duration) time.Duration {
	return least + c.upTo(most-least) | 1
}

// oneOf draws one of several values.
func oneOf[T any](c *conductor, values ...T) T { return values[c.below(len(values))] }

// String reports what is going on.
func (c *conductor) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("step %d, %d runs scheduled, waiting: %v", c.steps, len(c.queue), slices.Sorted(maps.Keys(c.waiting)))
}
