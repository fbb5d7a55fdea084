package queuetest_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
	"github.com/stretchr/testify/require"
)

// storeBug is a mistake that a driver's store could have, and the case that finds it.
type storeBug struct {
	found string
	put   func(s *flawed, c *putCall) // may change the arguments
	wrote func(s *flawed, c putCall, revision queue.Revision, err error) (queue.Revision, error)
	get   func(s *flawed, key string, r queue.Record, err error) (queue.Record, error)
	after func(err error) error // of Delete and Clear
	clear func(s *flawed, ctx context.Context, prefix string) error
	count func(s *flawed, prefix string, n int) int
	watch func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error]
}

// putCall has the arguments of a Put.
type putCall struct {
	key       string
	condition queue.Revision
	keep      time.Duration
}

// flawed is a store in memory with a bug.
type flawed struct {
	queue.Store
	bug    storeBug
	broker *memory.Broker

	mu      sync.Mutex
	deleted int
	records map[string]queue.Record // that were read
	keeps   map[string]time.Duration
}

func (s *flawed) Get(ctx context.Context, key string) (queue.Record, error) {
	r, err := s.Store.Get(ctx, key)
	if s.bug.get != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.bug.get(s, key, r, err)
	}
	return r, err
}

func (s *flawed) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	c := putCall{key: key, condition: condition, keep: keep}
	if s.bug.put != nil {
		s.mu.Lock()
		s.bug.put(s, &c)
		s.mu.Unlock()
	}
	revision, err := s.Store.Put(ctx, c.key, value, c.condition, c.keep)
	if s.bug.wrote != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.bug.wrote(s, c, revision, err)
	}
	return revision, err
}

func (s *flawed) Delete(ctx context.Context, key string, condition queue.Revision) error {
	err := s.Store.Delete(ctx, key, condition)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.deleted++
	}
	if s.bug.after != nil {
		return s.bug.after(err)
	}
	return err
}

func (s *flawed) Clear(ctx context.Context, prefix string) error {
	if s.bug.clear != nil {
		return s.bug.clear(s, ctx, prefix)
	}
	err := s.Store.Clear(ctx, prefix)
	if s.bug.after != nil {
		return s.bug.after(err)
	}
	return err
}

func (s *flawed) Count(ctx context.Context, prefix string) (int, error) {
	n, err := s.Store.Count(ctx, prefix)
	if s.bug.count != nil && err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.bug.count(s, prefix, n), nil
	}
	return n, err
}

func (s *flawed) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	if s.bug.watch != nil {
		return s.bug.watch(s, ctx, prefix)
	}
	return s.Store.Watch(ctx, prefix)
}

func storeBugs() map[string]storeBug {
	all := writeBugs()
	maps.Copy(all, keepBugs())
	maps.Copy(all, readBugs())
	maps.Copy(all, watchBugs())
	maps.Copy(all, liveBugs())
	return all
}

// writeBugs are mistakes of Put, Delete and Clear.
func writeBugs() map[string]storeBug {
	isRevision := func(r queue.Revision) bool { return r != queue.Absent && r != queue.Always }
	return map[string]storeBug{
		"an update is lost": {
			found: "races/counters lose no increment",
			put: func(_ *flawed, c *putCall) {
				if isRevision(c.condition) {
					c.condition = queue.Always
				}
			},
		},
		"a condition is ignored": {
			found: "records/conditions of put",
			put:   func(_ *flawed, c *putCall) { c.condition = queue.Always },
		},
		"two create the same record": {
			found: "races/one of many creates",
			put: func(_ *flawed, c *putCall) {
				if c.condition == queue.Absent {
					c.condition = queue.Always
				}
			},
		},
		"the old revision is returned": {
			found: "records/conditions of put",
			wrote: func(_ *flawed, c putCall, revision queue.Revision, err error) (queue.Revision, error) {
				if isRevision(c.condition) && err == nil {
					return c.condition, nil
				}
				return revision, err
			},
		},
		"a key is not checked": {
			found: "records/bad arguments",
			wrote: func(_ *flawed, _ putCall, revision queue.Revision, err error) (queue.Revision, error) {
				if errors.Is(err, queue.ErrConfig) {
					return 1, nil
				}
				return revision, err
			},
		},
		"a delete has no conflict": {
			found: "records/conditions of delete",
			after: without(queue.ErrConflict),
		},
		"clear takes neighbours": {
			found: "records/clear leaves neighbours",
			clear: func(s *flawed, ctx context.Context, prefix string) error {
				if err := queue.CheckPrefix(prefix); err != nil {
					return err
				}
				for c, err := range s.Store.Watch(ctx, "") {
					if err != nil || c.Kind == queue.ChangeCurrent {
						break
					}
					if strings.HasPrefix(c.Record.Key, prefix) {
						_ = s.Store.Delete(ctx, c.Record.Key, queue.Always)
					}
				}
				return nil
			},
		},
		"revisions begin again after a delete": {
			found: "records/revisions grow over a delete",
			wrote: func(s *flawed, _ putCall, revision queue.Revision, err error) (queue.Revision, error) {
				return revision - queue.Revision(1000*s.deleted), err
			},
		},
	}
}

// keepBugs are mistakes about the time of a record, lost answers, and the end.
func keepBugs() map[string]storeBug {
	return map[string]storeBug{
		"a closed store takes writes": {
			found: "end/close",
			after: without(queue.ErrClosed),
		},
		"a record goes too early": {
			found: "expiry/a record lasts for its time",
			put:   func(_ *flawed, c *putCall) { c.keep = c.keep * 3 / 4 },
		},
		"a record never goes": {
			found: "expiry/a record lasts for its time",
			put:   func(_ *flawed, c *putCall) { c.keep = 0 },
		},
		"the first time counts": {
			found: "expiry/the last put counts",
			put: func(s *flawed, c *putCall) {
				if keep := s.keeps[c.key]; keep != 0 {
					c.keep = keep
				}
				s.keeps[c.key] = c.keep
			},
		},
		"an uncertain write is called confirmed": {
			found: "loss/a lost answer is uncertain",
			wrote: func(_ *flawed, _ putCall, revision queue.Revision, err error) (queue.Revision, error) {
				if errors.Is(err, queue.ErrUncertain) {
					return 1, nil
				}
				return revision, err
			},
		},
		"an uncertain write is called not written": {
			found: "loss/a lost answer is uncertain",
			wrote: func(_ *flawed, _ putCall, revision queue.Revision, err error) (queue.Revision, error) {
				if errors.Is(err, queue.ErrUncertain) {
					err = queue.ErrUnavailable
				}
				return revision, err
			},
		},
		"a write that was not made is called confirmed": {
			found: "loss/errors of writes are true",
			wrote: func(_ *flawed, _ putCall, revision queue.Revision, err error) (queue.Revision, error) {
				if errors.Is(err, queue.ErrUnavailable) {
					return 1, nil
				}
				return revision, err
			},
		},
	}
}

// readBugs are mistakes of Get and Count.
func readBugs() map[string]storeBug {
	return map[string]storeBug{
		"a read is stale": {
			found: "races/a write is seen by everyone at once",
			get: func(s *flawed, key string, r queue.Record, err error) (queue.Record, error) {
				old, found := s.records[key]
				s.records[key] = r
				if found && err == nil {
					return old, nil
				}
				return r, err
			},
		},
		"a value is shared": {
			found: "records/keep what was put",
			get: func(s *flawed, key string, r queue.Record, err error) (queue.Record, error) {
				if old := s.records[key]; err == nil && old.Revision == r.Revision {
					return old, nil
				}
				s.records[key] = r
				return r, err
			},
		},
		"a call hangs without the broker": {
			found: "loss/nothing hangs",
			get: func(_ *flawed, _ string, r queue.Record, err error) (queue.Record, error) {
				if errors.Is(err, queue.ErrUnavailable) {
					time.Sleep(9 * time.Second)
				}
				return r, err
			},
		},
		"deleted records are counted": {
			found: "records/prefixes",
			count: func(s *flawed, _ string, n int) int { return n + s.deleted },
		},
		"a prefix matches the begin of a part": {
			found: "records/prefixes",
			count: func(s *flawed, prefix string, _ int) int {
				n := 0
				for c := range changesUntilCurrent(s.Store) {
					if strings.HasPrefix(c.Record.Key, prefix) {
						n++
					}
				}
				return n
			},
		},
	}
}

func changesUntilCurrent(s queue.Store) iter.Seq[queue.Change] {
	return func(yield func(queue.Change) bool) {
		for c, err := range s.Watch(context.Background(), "") {
			if err != nil || c.Kind == queue.ChangeCurrent || !yield(c) {
				return
			}
		}
	}
}

// TestFindsBugsOfStores: a store with a bug fails the case for it, and passes it without the bug.
func TestFindsBugsOfStores(t *testing.T) {
	for name, bug := range storeBugs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, "TestStoreDriver", bug.found, name)
		})
	}
}

// finds requires that a case fails with a bug, and only then.
func finds(t *testing.T, suite, found, bug string) {
	t.Helper()
	found = strings.ReplaceAll(found, " ", "_")
	out, err := suiteOf(t, suite, found, "")
	require.NoError(t, err, "without a bug:\n%s", out)
	require.Contains(t, out, "--- PASS: "+suite+"/"+found, "the case does not exist")
	out, err = suiteOf(t, suite, found, bug)
	require.Error(t, err, "with the bug:\n%s", out)
	require.Contains(t, out, "--- FAIL: "+suite+"/"+found)
}

// TestStoreDriver runs the suite on a store in memory, with a bug if the environment names one.
func TestStoreDriver(t *testing.T) {
	bug, ok := os.LookupEnv(bugEnv)
	if !ok {
		t.Log("a child of TestFindsBugsOfStores; the suite as a whole runs in package memory")
		return
	}
	queuetest.RunStore(t, func(testing.TB) queuetest.StoreFixture {
		b := memory.NewBroker()
		aside := b.Connect()
		return queuetest.StoreFixture{
			Open: func(ctx context.Context) (queue.Store, error) {
				s, err := b.Store(ctx, "fleet")
				return &flawed{
					Store: s, broker: b, bug: storeBugs()[bug],
					records: map[string]queue.Record{}, keeps: map[string]time.Duration{},
				}, err
			},
			Aside:       func(ctx context.Context) (queue.Store, error) { return aside.Store(ctx, "fleet") },
			Cut:         b.Cut,
			LoseAnswers: func() { b.LoseAnswers(math.MaxInt) },
			Restore:     func() { b.Restore(); b.LoseAnswers(0) },
			Wipe:        b.Wipe,
		}
	})
}
