package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
)

// simBug makes a store wrong that is right.
type simBug func(queue.Store) queue.Store

// TestSimulationFindsBugs: each mistake that a store could make, or that this package could make in
// the use of one, is found by one of the 1,000 seeds. The search begins at a seed that has found
// it.
func TestSimulationFindsBugs(t *testing.T) {
	simProcessors(t)
	for name, c := range map[string]struct {
		bug   simBug
		first uint64
	}{
		"any record of a limit may be replaced": {always("share."), 0},
		"any holder of a name may be replaced":  {always("only."), 1},
		"any command may be replaced":           {always("command."), 85},
		"a lost command is confirmed":           {confirmed("command."), 59},
		"a renewal that failed is confirmed":    {confirmed("lease."), 0},
		"leases end for others too early":       {hurried(), 0},
		"the fence of a lease is not checked":   {unfenced(), 12},
		"a watch does not tell of a new store":  {untold(queue.ChangeReset, "command"), 6},
		"a watch misses commands":               {forgetful(), 0},
		"a watch ends after a fault":            {stuck(), 16},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			lab := newSimLab(t)
			for i := range uint64(simKnown) {
				seed := (c.first + i) % simKnown
				if s := lab.run(t, seed, c.bug); len(s.wrong) > 0 {
					t.Logf("seed %d: %s", seed, s.wrong[0])
					return
				}
			}
			t.Fatalf("%d seeds have not found it", simKnown)
		})
	}
}

// buggy is a store with the methods that are wrong.
type buggy struct {
	queue.Store
	put    func(context.Context, string, []byte, queue.Revision, time.Duration) (queue.Revision, error)
	remove func(context.Context, string, queue.Revision) error
	watch  func(queue.Change) (queue.Change, bool)
	prefix string // of the watch
}

func (b *buggy) Put(
	ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	if b.put == nil {
		return b.Store.Put(ctx, key, value, at, keep)
	}
	return b.put(ctx, key, value, at, keep)
}

func (b *buggy) Delete(ctx context.Context, key string, at queue.Revision) error {
	if b.remove == nil {
		return b.Store.Delete(ctx, key, at)
	}
	return b.remove(ctx, key, at)
}

func (b *buggy) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	if b.watch == nil || !strings.HasPrefix(prefix, b.prefix) {
		return b.Store.Watch(ctx, prefix)
	}
	return func(yield func(queue.Change, error) bool) {
		for c, err := range b.Store.Watch(ctx, prefix) {
			if c, ok := b.watch(c); ok && !yield(c, err) {
				return
			}
		}
	}
}

// always ignores the condition of a write.
func always(prefix string) simBug {
	return func(s queue.Store) queue.Store {
		return &buggy{Store: s, put: func(
			ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration,
		) (queue.Revision, error) {
			if strings.HasPrefix(key, prefix) {
				at = queue.Always
			}
			return s.Put(ctx, key, value, at, keep)
		}}
	}
}

// confirmed takes every write for made.
func confirmed(prefix string) simBug {
	return func(s queue.Store) queue.Store {
		return &buggy{Store: s, put: func(
			ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration,
		) (queue.Revision, error) {
			revision, err := s.Put(ctx, key, value, at, keep)
			if err != nil && at != queue.Absent && strings.HasPrefix(key, prefix) {
				return at, nil
			}
			return revision, err
		}}
	}
}

// hurried takes other leases for shorter than they are.
func hurried() simBug {
	return func(s queue.Store) queue.Store {
		return &buggy{Store: s, prefix: "lease", watch: func(c queue.Change) (queue.Change, bool) {
			c.Record.Value = bytes.Replace(c.Record.Value, []byte(`"ttl_ms":1500`), []byte(`"ttl_ms":300`), 1)
			return c, true
		}}
	}
}

// unfenced ends leases that are renewed.
func unfenced() simBug {
	return func(s queue.Store) queue.Store {
		return &buggy{Store: s, remove: func(ctx context.Context, key string, at queue.Revision) error {
			err := s.Delete(ctx, key, at)
			if strings.HasPrefix(key, "lease.") && errors.Is(err, queue.ErrConflict) {
				return nil
			}
			return err
		}}
	}
}

// untold yields no changes of a kind.
func untold(kind queue.ChangeKind, prefix string) simBug {
	return func(s queue.Store) queue.Store {
		return &buggy{Store: s, prefix: prefix, watch: func(c queue.Change) (queue.Change, bool) {
			return c, c.Kind != kind
		}}
	}
}

// forgetful misses every fifth command.
func forgetful() simBug {
	return func(s queue.Store) queue.Store {
		n := 0
		return &buggy{Store: s, prefix: "command", watch: func(c queue.Change) (queue.Change, bool) {
			if c.Kind == queue.ChangeSet {
				n++
			}
			return c, c.Kind != queue.ChangeSet || n%5 > 0
		}}
	}
}

// stuck yields nothing any more once the store was silent for five seconds, as after a cut.
func stuck() simBug {
	return func(s queue.Store) queue.Store {
		heard := time.Now()
		over := false
		return &buggy{Store: s, prefix: "command", watch: func(c queue.Change) (queue.Change, bool) {
			over = over || time.Since(heard) > 4*time.Second
			heard = time.Now()
			return c, !over
		}}
	}
}
