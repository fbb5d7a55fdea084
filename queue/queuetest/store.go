package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// StoreFixture is one new, empty store of the driver under test.
type StoreFixture struct {
	// Open returns another access to the store, as another program has it, by a connection of its
	// own. Required.
	Open func(ctx context.Context) (queue.Store, error)

	// Aside is Open by a way that Cut and LoseAnswers leave alone. Nil means that the driver's test
	// can't cut connections, and the cases about it are left out.
	Aside func(ctx context.Context) (queue.Store, error)

	// Cut cuts every connection of Open, as a network fault does, and refuses new ones until
	// Restore. It is required with Aside.
	Cut func()

	// LoseAnswers makes everything that the broker sends to Open get lost until Restore, while
	// requests still arrive. Nil leaves its case out.
	LoseAnswers func()

	// Restore ends Cut and LoseAnswers. It is required with Aside.
	Restore func()

	// Kill ends the broker's process without a warning, and starts it again with its data. It
	// returns when the broker takes connections. Nil leaves its case out.
	Kill func()

	// Wipe makes the store again, empty, with another incarnation. Nil leaves its case out.
	Wipe func()
}

// RunStore runs the suite of [queue.Store], each case as a sub-test and one after the other. It
// calls newStore once for each case, with the sub-test as t.
func RunStore(t *testing.T, newStore func(t testing.TB) StoreFixture) {
	t.Helper()
	for _, tc := range storeCases() {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*caseLimit)
			defer cancel()
			f := newStore(t)
			if reason := tc.missing(f); reason != "" {
				t.Skip(reason)
			}
			tc.check(&storeBench{t: t, ctx: ctx, StoreFixture: f})
		})
	}
}

// storeCase is one guarantee of the contract.
type storeCase struct {
	name  string
	needs func(f StoreFixture) bool // nil: nothing
	check func(b *storeBench)
}

func (c storeCase) missing(f StoreFixture) string {
	if c.needs != nil && !c.needs(f) {
		return "the fixture lacks a hook that this case needs"
	}
	return ""
}

func storeCases() []storeCase {
	var all []storeCase
	for _, theme := range [][]storeCase{
		recordCases(), raceCases(), expiryCases(), watchCases(), endCases(), storeLossCases(), storeModelCases(),
	} {
		all = append(all, theme...)
	}
	return all
}

// The times of the suite of stores.
const (
	aliveEvery = 2 * time.Second         // by the contract
	giveUp     = 5 * time.Second         // the longest that a broker which is away holds a call up
	busy       = 3 * time.Second         // what a busy machine may add to a time of the contract
	shortKeep  = 1500 * time.Millisecond // not whole seconds, because brokers round
	vanish     = 2 * time.Second         // the longest that a record outlasts its time
)

// storeBench is the state of one case.
type storeBench struct {
	t   *testing.T
	ctx context.Context // ends with the case; here, because every move needs it
	StoreFixture
}

// open opens a store, and closes it after the case.
func (b *storeBench) open() queue.Store { return b.opened(b.Open) }

// aside opens a store that is not cut.
func (b *storeBench) aside() queue.Store { return b.opened(b.Aside) }

func (b *storeBench) opened(open func(context.Context) (queue.Store, error)) queue.Store {
	b.t.Helper()
	s, err := open(b.ctx)
	require.NoError(b.t, err, "Open")
	b.t.Cleanup(func() { require.NoError(b.t, s.Close(), "Close") })
	return s
}

// put writes a record.
func (b *storeBench) put(s queue.Store, key, value string) queue.Revision {
	return b.keep(s, key, value, 0)
}

// keep writes a record for a time.
func (b *storeBench) keep(s queue.Store, key, value string, keep time.Duration) queue.Revision {
	b.t.Helper()
	revision, err := s.Put(b.ctx, key, []byte(value), queue.Always, keep)
	require.NoError(b.t, err, "Put %s", key)
	require.NotEqual(b.t, queue.Absent, revision, "no record has the revision Absent")
	require.NotEqual(b.t, queue.Always, revision, "no record has the revision Always")
	return revision
}

// has requires that a record is there.
func (b *storeBench) has(s queue.Store, key, value string, revision queue.Revision) {
	b.t.Helper()
	got, err := s.Get(b.ctx, key)
	require.NoError(b.t, err, "Get %s", key)
	require.Equal(b.t, key, got.Key)
	require.Equal(b.t, value, string(got.Value), "value of %s", key)
	require.Equal(b.t, revision, got.Revision, "revision of %s", key)
}

// lacks requires that there is no record.
func (b *storeBench) lacks(s queue.Store, key string) {
	b.t.Helper()
	_, err := s.Get(b.ctx, key)
	require.ErrorIs(b.t, err, queue.ErrNoRecord, "Get %s", key)
}

// counts requires the number of records with a prefix.
func (b *storeBench) counts(s queue.Store, prefix string, want int) {
	b.t.Helper()
	got, err := s.Count(b.ctx, prefix)
	require.NoError(b.t, err, "Count %q", prefix)
	require.Equal(b.t, want, got, "Count %q", prefix)
}

// remove deletes a record.
func (b *storeBench) remove(s queue.Store, key string) {
	b.t.Helper()
	require.NoError(b.t, s.Delete(b.ctx, key, queue.Always), "Delete %s", key)
}

// soon waits until done, and fails the case if that takes too long.
func (b *storeBench) soon(what string, done func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(arrival)
	for !done() {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			require.FailNow(b.t, "it did not come: "+what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
