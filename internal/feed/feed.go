// Package feed hands values to a user function without waiting for it.
//
// A [Feed] has a bounded queue, and a goroutine of its own while the queue has values. A function
// that panics loses that value and no other. One that blocks loses the values that find the queue
// full. Both are counted. [Handler] is a feed of log records.
package feed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

// Feed calls a function for each value, one after the other, in order. Its methods are safe for
// concurrent use, and only Wait waits for the function.
type Feed[T any] struct {
	hook *guard.Hook
	call func(T)
	most int

	since atomic.Int64 // begin of the current call; zero for none
	left  atomic.Int64 // values of batch that wait
	shut  atomic.Bool  // it is closed

	// batch is what was taken out of the queue at once, so that a call takes no lock. It and done
	// belong to the goroutine that runs.
	batch list[T]
	done  list[T] // blocks whose values were all handed on

	mu      sync.Mutex
	queue   list[T]
	spare   list[T] // empty blocks
	running bool
	idle    []chan struct{} // of the callers that wait for an empty queue
}

// New returns a feed of up to most values that wait, with a hook to count in.
func New[T any](hook *guard.Hook, most int, call func(T)) *Feed[T] {
	return &Feed[T]{hook: hook, call: call, most: most}
}

// Push queues a value, or drops it if the queue is full.
func (f *Feed[T]) Push(v T) { f.push(v, f.most) }

// Offer is Push for a value of which there are many: it leaves a sixteenth of the queue to the
// others.
func (f *Feed[T]) Offer(v T) { f.push(v, f.most-f.most/16) }

func (f *Feed[T]) push(v T, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.shut.Load():
		return
	case f.queue.len+int(f.left.Load()) >= most:
		f.hook.CountLost()
		return
	}
	f.queue.push(v, &f.spare)
	if !f.running {
		f.running = true
		go f.run()
	}
}

// Close drops the values that wait. The function is not called again, except for a call that has
// begun.
func (f *Feed[T]) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut.Store(true)
	f.queue, f.spare = list[T]{}, list[T]{}
}

// Name returns the name of the hook.
func (f *Feed[T]) Name() string { return f.hook.Name() }

// Stuck reports whether the function has not returned from a call for longer than limit.
func (f *Feed[T]) Stuck(limit time.Duration) bool {
	since := f.since.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > limit
}

// ErrStuck is returned by [Feed.Wait] for a function that does not return.
var ErrStuck = errors.New("feed: function does not return")

// Wait returns nil when the function has been called for every value so far. It returns [ErrStuck]
// if a call has taken longer than patience, and ctx.Err() if ctx ends first.
func (f *Feed[T]) Wait(ctx context.Context, patience time.Duration) error {
	f.mu.Lock()
	if !f.running {
		f.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	f.idle = append(f.idle, idle)
	f.mu.Unlock()
	look := time.NewTicker(patience)
	defer look.Stop()
	for {
		select {
		case <-idle:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			if f.Stuck(patience - 1) {
				return ErrStuck
			}
		}
	}
}

func (f *Feed[T]) run() {
	returned := false
	defer func() {
		if !returned {
			_ = recover() // the fault of the function
			f.hook.CountFailed()
			go f.run()
		}
	}()
	f.hook.Host().Run(f.all)
	returned = true
}

// all calls the function until no value waits. After a call that did not return, it goes on with
// the rest of the batch.
func (f *Feed[T]) all() {
	for {
		if f.batch.len == 0 || f.shut.Load() {
			if !f.take() {
				return
			}
			continue
		}
		v := f.batch.pop(&f.done)
		f.left.Store(int64(f.batch.len))
		f.since.Store(time.Now().UnixNano())
		f.call(v)
	}
}

// take makes a batch of all that waits, and reports whether there is any.
func (f *Feed[T]) take() bool {
	f.since.Store(0)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spare.addBlocks(&f.done)
	f.batch, f.queue = f.queue, list[T]{}
	f.left.Store(int64(f.batch.len))
	if f.batch.len > 0 {
		return true
	}
	f.running = false
	for _, ch := range f.idle {
		close(ch)
	}
	f.idle = nil
	return false
}
