package fleet_test

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// simBroker is a broker as one process reaches it.
type simBroker struct {
	*simLine
	inner *memory.Broker
	bug   simBug
}

// Store implements fleet.Stores.
func (b *simBroker) Store(ctx context.Context, name string) (queue.Store, error) {
	if err := b.call(ctx, "open store", "").reach(ctx); err != nil {
		return nil, err
	}
	inner, err := b.inner.Store(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &simStore{Store: inner, line: b.simLine}
	if b.bug == nil {
		return s, nil
	}
	return b.bug(s), nil
}

// simStore is a store behind a line. What it applies is recorded.
type simStore struct {
	queue.Store
	line *simLine
}

// Get implements queue.Store.
func (s *simStore) Get(ctx context.Context, key string) (queue.Record, error) {
	c := s.line.call(ctx, "get", key)
	if err := c.reach(ctx); err != nil {
		return queue.Record{}, err
	}
	r, err := s.Store.Get(ctx, key)
	if failed := c.travel(ctx); failed != nil {
		return queue.Record{}, failed
	}
	if cut, _ := c.has(simCut); cut || c.luck(15) {
		return queue.Record{}, queue.ErrUnavailable
	}
	return r, err
}

// Put implements queue.Store.
func (s *simStore) Put(
	ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	value = slices.Clone(value)
	return s.write(ctx, s.line.call(ctx, "put", key), func(ctx context.Context) (queue.Revision, error) {
		revision, err := s.Store.Put(ctx, key, value, at, keep)
		s.line.sim.applied(s.line, key, value, revision, err)
		return revision, err
	})
}

// Delete implements queue.Store.
func (s *simStore) Delete(ctx context.Context, key string, at queue.Revision) error {
	_, err := s.write(ctx, s.line.call(ctx, "delete", key), func(ctx context.Context) (queue.Revision, error) {
		err := s.Store.Delete(ctx, key, at)
		s.line.sim.deleted(s.line, key, err)
		return 0, err
	})
	return err
}

// write makes a write that may be lost, late, or applied without an answer.
func (s *simStore) write(
	ctx context.Context, c simCall, apply func(context.Context) (queue.Revision, error),
) (queue.Revision, error) {
	if err := c.reach(ctx); err != nil {
		return 0, err
	}
	switch {
	case c.luck(15):
		return 0, queue.ErrUnavailable
	case c.luck(20):
		return 0, queue.ErrUncertain
	case c.luck(10):
		d := upTo(c.dice, 3*time.Second)
		s.line.sim.late.Go(func() {
			time.Sleep(d)
			_, _ = apply(context.Background())
			s.line.sim.comeLate()
		})
		_ = sleep(ctx, upTo(c.dice, time.Second))
		return 0, queue.ErrUncertain
	}
	revision, err := apply(ctx)
	if failed := c.answer(ctx); failed != nil {
		return 0, failed
	}
	return revision, err
}

// Facts implements queue.Store.
func (s *simStore) Facts(ctx context.Context) (queue.StoreFacts, error) {
	if err := s.line.call(ctx, "facts", "").reach(ctx); err != nil {
		return queue.StoreFacts{}, err
	}
	return s.Store.Facts(ctx)
}

// Watch implements queue.Store. On a flaky line changes come twice, and the watch begins again.
func (s *simStore) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		for fresh := true; ; fresh = false {
			first := !fresh
			for change, err := range s.Store.Watch(ctx, prefix) {
				c := s.line.call(ctx, "watch", prefix)
				if c.travel(ctx) != nil {
					return
				}
				if first && !yield(queue.Change{Kind: queue.ChangeReset}, nil) || !yield(change, err) || err != nil {
					return
				}
				first = false
				if change.Kind == queue.ChangeSet && c.luck(5) && !yield(change, nil) {
					return
				}
				if c.luck(10) {
					break // the connection is another one now
				}
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// comeLate notes that a write was applied that its sender has given up. It may have made a lease
// longer that is over.
func (s *fleetSim) comeLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubled = time.Now()
}
