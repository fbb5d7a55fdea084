package fleet_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// flaky is a broker whose network loses, delays and repeats.
type flaky struct {
	fleet.Broker
	*dice
}

// dice are safe for concurrent use. Calm ones draw no trouble.
type dice struct {
	mu   sync.Mutex
	rng  *rand.Rand
	calm bool
	late sync.WaitGroup // writes that are on their way
}

func newDice(seed uint64) *dice {
	return &dice{rng: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // it has to repeat itself
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.calm && d.rng.Float64() < p
}

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

func (d *dice) wait(most time.Duration) {
	d.mu.Lock()
	calm, wait := d.calm, time.Duration(d.rng.Int64N(int64(most)))
	d.mu.Unlock()
	if !calm {
		time.Sleep(wait)
	}
}

func (d *dice) settle() {
	d.mu.Lock()
	d.calm = true
	d.mu.Unlock()
	d.late.Wait()
}

func (f flaky) Bus(ctx context.Context, name string) (queue.Bus, error) {
	b, err := f.Broker.Bus(ctx, name)
	return flakyBus{b, f.dice}, err
}

func (f flaky) Store(ctx context.Context, name string) (queue.Store, error) {
	s, err := f.Broker.Store(ctx, name)
	return flakyStore{s, f.dice}, err
}

type flakyBus struct {
	queue.Bus
	*dice
}

// Ask loses questions and answers, repeats them, and mixes up their order.
func (b flakyBus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if b.chance(0.05) {
			<-ctx.Done()
			return
		}
		var held [][]byte
		for answer, err := range b.Bus.Ask(ctx, topic, question) {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case b.chance(0.1):
				continue
			case b.chance(0.2):
				held = append(held, answer)
				continue
			}
			if b.chance(0.1) {
				held = append(held, answer)
			}
			if !yield(answer, nil) {
				return
			}
			for ; len(held) > 0 && b.chance(0.5); held = held[1:] {
				if !yield(held[0], nil) {
					return
				}
			}
		}
	}
}

type flakyStore struct {
	queue.Store
	*dice
}

// Get takes its time, and fails.
func (s flakyStore) Get(ctx context.Context, key string) (queue.Record, error) {
	s.wait(20 * time.Millisecond)
	if s.chance(0.05) {
		return queue.Record{}, queue.ErrUnavailable
	}
	return s.Store.Get(ctx, key)
}

// Put takes its time. It loses writes, answers, and writes that arrive after all, much later.
func (s flakyStore) Put(ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration) (queue.Revision, error) {
	s.wait(20 * time.Millisecond)
	value = slices.Clone(value)
	switch {
	case s.chance(0.05):
		return 0, queue.ErrUnavailable
	case s.chance(0.05):
		return 0, queue.ErrUncertain
	case s.chance(0.05):
		s.late.Go(func() {
			s.wait(time.Second)
			_, _ = s.Store.Put(context.WithoutCancel(ctx), key, value, at, keep)
		})
		return 0, queue.ErrUncertain
	}
	revision, err := s.Store.Put(ctx, key, value, at, keep)
	if err == nil && s.chance(0.05) {
		return 0, queue.ErrUncertain
	}
	return revision, err
}

// Watch delays changes, repeats the last one of a key, and begins again.
func (s flakyStore) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		for ctx.Err() == nil {
			first := true
			for c, err := range s.Store.Watch(ctx, prefix) {
				s.wait(5 * time.Millisecond)
				if first && !yield(queue.Change{Kind: queue.ChangeReset}, nil) || !yield(c, err) {
					return
				}
				first = false
				if err != nil {
					return
				}
				if c.Kind == queue.ChangeSet && s.chance(0.1) && !yield(c, nil) {
					return
				}
				if s.chance(0.02) {
					break // the connection is another one now
				}
			}
		}
	}
}
