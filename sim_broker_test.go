package gentask

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// simBroker is the memory queue with every call made in its caller's turn, and every return, too.
// It is slow itself instead of the queue's Slow faults, which would let two calls end in the same
// instant.
type simBroker struct {
	*conductor
	*memory.Queue
	slow     float64 // the probability that a call takes its time; under mu
	sessions int
	busy     atomic.Int64 // calls that have not returned, but those of Receive
}

// slowMost is the longest that a slow call takes; some time out.
const slowMost = 7 * time.Second

// Open implements queue.Source.
func (b *simBroker) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	name := "open " + opts.Name
	b.turn(name)
	defer b.turn(name)
	defer b.call()()
	if b.delay(ctx, name) {
		return nil, ctx.Err()
	}
	inner, err := b.Queue.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	b.sessions++
	return &simSession{Session: inner, b: b, number: b.sessions}, nil
}

func (b *simBroker) call() (returned func()) {
	b.busy.Add(1)
	return func() { b.busy.Add(-1) }
}

// delay reports whether ctx ended meanwhile.
func (b *simBroker) delay(ctx context.Context, name string) bool {
	b.mu.Lock()
	slow := b.slow
	b.mu.Unlock()
	if !b.chance(slow) {
		return false
	}
	most := oneOf(b.conductor, 5*time.Millisecond, 200*time.Millisecond, slowMost)
	return b.pause(name, b.upTo(most), ctx.Done())
}

func (b *simBroker) setSlow(p float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slow = p
}

// simSession is a session of a simBroker.
type simSession struct {
	queue.Session
	b      *simBroker
	number int
}

func (s *simSession) name(call string) string { return fmt.Sprintf("%s %d", call, s.number) }

// Receive implements queue.Session.
func (s *simSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	name := s.name("receive")
	s.b.turn(name)
	defer s.b.turn(name)
	return s.Session.Receive(ctx)
}

// Settle implements queue.Session.
func (s *simSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	name := s.name("copies")
	if batch[0].Disposition == queue.Ack {
		name = s.name("acks")
	}
	s.b.turn(name)
	defer s.b.turn(name)
	defer s.b.call()()
	if s.b.delay(ctx, name) {
		return ctx.Err()
	}
	return s.Session.Settle(ctx, batch)
}

// Return implements queue.Returner.
func (s *simSession) Return(ctx context.Context, batch []queue.Settlement) error {
	name := s.name("returns")
	s.b.turn(name)
	defer s.b.turn(name)
	defer s.b.call()()
	if s.b.delay(ctx, name) {
		return ctx.Err()
	}
	return s.Session.(queue.Returner).Return(ctx, batch)
}

// Cancel implements queue.Session.
func (s *simSession) Cancel(ctx context.Context) error {
	return s.control(ctx, "cancel", s.Session.Cancel)
}

// Resume implements queue.Session.
func (s *simSession) Resume(ctx context.Context) error {
	return s.control(ctx, "resume", s.Session.Resume)
}

func (s *simSession) control(ctx context.Context, call string, f func(context.Context) error) error {
	name := s.name(call)
	s.b.turn(name)
	defer s.b.turn(name)
	defer s.b.call()()
	if s.b.delay(ctx, name) {
		return ctx.Err()
	}
	return f(ctx)
}

// Close implements queue.Session.
func (s *simSession) Close(ctx context.Context) error {
	name := s.name("close")
	s.b.turn(name)
	defer s.b.turn(name)
	defer s.b.call()()
	s.b.delay(ctx, name) // then the connection is cut
	return s.Session.Close(ctx)
}
