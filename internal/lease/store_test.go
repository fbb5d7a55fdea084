package lease_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
)

// slowStore answers writes late.
type slowStore struct {
	queue.Store
	slow time.Duration
}

func (s *slowStore) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	revision, err := s.Store.Put(ctx, key, value, condition, keep)
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return 0, queue.ErrUncertain
	}
	return revision, err
}

// countedStore counts watches, and those that are open at the same time.
type countedStore struct {
	queue.Store
	mu        sync.Mutex
	now, most map[string]int
	all       map[string]int // nil if nobody asks
}

func (s *countedStore) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		s.add(prefix, 1)
		defer s.add(prefix, -1)
		s.Store.Watch(ctx, prefix)(yield)
	}
}

func (s *countedStore) add(prefix string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now[prefix] += n
	if s.all != nil && n > 0 {
		s.all[prefix]++
	}
	s.most[prefix] = max(s.most[prefix], s.now[prefix])
}

// of returns a number of watches of leases.
func (s *countedStore) of(numbers map[string]int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return numbers["lease"]
}

// heldStore can hold writes up: it answers that their outcome is uncertain, and applies them later.
type heldStore struct {
	queue.Store
	mu   sync.Mutex
	on   bool
	late []func()
}

// of makes it a store in front of s.
func (s *heldStore) of(store queue.Store) queue.Store {
	s.Store = store
	return s
}

func (s *heldStore) hold(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

// apply applies what was held up.
func (s *heldStore) apply() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.late {
		f()
	}
	s.late = nil
}

func (s *heldStore) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.on || !strings.HasPrefix(key, "share") {
		return s.Store.Put(ctx, key, value, condition, keep)
	}
	if _, err := s.Store.Facts(ctx); err != nil {
		return 0, err // the line is cut
	}
	s.late = append(s.late, func() { _, _ = s.Store.Put(context.Background(), key, value, condition, keep) })
	return 0, queue.ErrUncertain
}

// badStore is a store behind a bad network: answers take their time or are lost, and a write whose
// answer was lost may be applied seconds later.
type badStore struct {
	queue.Store
	mu   sync.Mutex
	r    *rand.Rand
	late *sync.WaitGroup // writes that are on their way
}

// luck returns a number below n.
func (s *badStore) luck(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

// pause waits for up to limit. It returns the error of a ctx that ends before.
func (s *badStore) pause(ctx context.Context, limit time.Duration) error {
	select {
	case <-time.After(time.Duration(s.luck(int(limit)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write applies a write before, or long after it is answered.
func (s *badStore) write(ctx context.Context, apply func(context.Context) error) error {
	switch s.luck(10) {
	case 0: // lost on its way
		if err := s.pause(ctx, time.Second); err != nil {
			return err
		}
		return queue.ErrUnavailable
	case 1: // late
		s.late.Go(func() {
			_ = s.pause(context.Background(), 3*time.Second)
			_ = apply(context.Background())
		})
		_ = s.pause(ctx, time.Second)
		return queue.ErrUncertain
	case 2: // applied, and the answer is slow
		if err := apply(ctx); err != nil {
			return err
		}
		if s.pause(ctx, 2*time.Second) != nil {
			return queue.ErrUncertain
		}
		return nil
	}
	if err := s.pause(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	return apply(ctx)
}

func (s *badStore) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	var revision atomic.Uint64 // a late write has no reader
	err := s.write(ctx, func(ctx context.Context) error {
		found, err := s.Store.Put(ctx, key, value, condition, keep)
		revision.Store(uint64(found))
		return err
	})
	if err != nil {
		return 0, err
	}
	return queue.Revision(revision.Load()), nil
}

func (s *badStore) Delete(ctx context.Context, key string, condition queue.Revision) error {
	return s.write(ctx, func(ctx context.Context) error { return s.Store.Delete(ctx, key, condition) })
}

func (s *badStore) Get(ctx context.Context, key string) (queue.Record, error) {
	if err := s.pause(ctx, 50*time.Millisecond); err != nil {
		return queue.Record{}, err
	}
	if s.luck(10) == 0 {
		return queue.Record{}, queue.ErrUnavailable
	}
	return s.Store.Get(ctx, key)
}
