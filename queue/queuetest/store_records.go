package queuetest

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func recordCases() []storeCase {
	return []storeCase{
		{name: "records/keep what was put", check: keepsWhatWasPut},
		{name: "records/conditions of put", check: conditionsOfPut},
		{name: "records/conditions of delete", check: conditionsOfDelete},
		{name: "records/revisions grow over a delete", check: revisionsGrow},
		{name: "records/prefixes", check: prefixes},
		{name: "records/clear leaves neighbours", check: clearLeavesNeighbours},
		{name: "records/bad arguments", check: badArguments},
		{name: "records/facts", check: storeFacts},
	}
}

// keepsWhatWasPut: the largest value is kept, an empty one, and any byte; a slice of the caller is
// not.
func keepsWhatWasPut(b *storeBench) {
	s, other := b.open(), b.open()
	facts, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	for key, value := range map[string]string{
		"empty": "", "bytes": string(bytes), "large": strings.Repeat("x", facts.MaxValue),
		"A-Z_0.9=2F": "key", strings.Repeat("k", 100) + "." + strings.Repeat("y", 99): "long key",
	} {
		revision := b.put(s, key, value)
		b.has(s, key, value, revision)
		b.has(other, key, value, revision)
	}
	mine := []byte("mine")
	revision, err := s.Put(b.ctx, "mine", mine, queue.Absent, 0)
	require.NoError(b.t, err)
	mine[0] = 'X'
	got, err := s.Get(b.ctx, "mine")
	require.NoError(b.t, err)
	got.Value[0] = 'X'
	b.has(s, "mine", "mine", revision)
	_, err = s.Put(b.ctx, "large", make([]byte, facts.MaxValue+1), queue.Always, 0)
	require.ErrorIs(b.t, err, queue.ErrTooLarge)
}

// conditionsOfPut: a record is written only if it is as the condition wants.
func conditionsOfPut(b *storeBench) {
	s, other := b.open(), b.open()
	put := func(s queue.Store, value string, condition queue.Revision) (queue.Revision, error) {
		return s.Put(b.ctx, "k", []byte(value), condition, 0)
	}
	_, err := put(s, "early", 1)
	require.ErrorIs(b.t, err, queue.ErrConflict, "a revision of a record that is not there")
	b.lacks(s, "k")
	first, err := put(s, "first", queue.Absent)
	require.NoError(b.t, err)
	_, err = put(other, "second", queue.Absent)
	require.ErrorIs(b.t, err, queue.ErrConflict, "Absent with a record")
	b.has(other, "k", "first", first)
	second, err := put(other, "second", first)
	require.NoError(b.t, err)
	require.Greater(b.t, second, first)
	for _, stale := range []queue.Revision{first, second + 1, second - 1} {
		_, err = put(s, "stale", stale)
		require.ErrorIs(b.t, err, queue.ErrConflict, "revision %d, present %d", stale, second)
	}
	b.has(s, "k", "second", second)
	third, err := put(s, "third", queue.Always)
	require.NoError(b.t, err)
	require.Greater(b.t, third, second)
	neighbour := b.put(s, "k.n", "neighbour")
	_, err = put(s, "fourth", third)
	require.NoError(b.t, err, "a write of another key changes nothing")
	b.has(s, "k.n", "neighbour", neighbour)
}

// conditionsOfDelete: as of put, and there is no error if a record that is not there is deleted
// always.
func conditionsOfDelete(b *storeBench) {
	s, other := b.open(), b.open()
	require.NoError(b.t, s.Delete(b.ctx, "k", queue.Always))
	require.ErrorIs(b.t, s.Delete(b.ctx, "k", 7), queue.ErrConflict)
	first := b.put(s, "k", "first")
	second := b.put(s, "k", "second")
	require.ErrorIs(b.t, other.Delete(b.ctx, "k", first), queue.ErrConflict)
	b.has(s, "k", "second", second)
	require.NoError(b.t, other.Delete(b.ctx, "k", second))
	b.lacks(s, "k")
	require.ErrorIs(b.t, s.Delete(b.ctx, "k", second), queue.ErrConflict, "deleted before")
	b.put(s, "k", "third")
	require.NoError(b.t, s.Delete(b.ctx, "k", queue.Always))
	b.lacks(other, "k")
}

// revisionsGrow: a record that is put again has a larger revision than any before, so that a
// condition of earlier fails.
func revisionsGrow(b *storeBench) {
	s := b.open()
	last := queue.Absent
	var seen []queue.Revision
	for range 5 {
		for _, remove := range []func(){
			func() {}, func() { b.remove(s, "a.k") }, func() { require.NoError(b.t, s.Clear(b.ctx, "a")) },
		} {
			revision := b.put(s, "a.k", "v")
			require.Greater(b.t, revision, last)
			for _, old := range seen {
				_, err := s.Put(b.ctx, "a.k", []byte("stale"), old, 0)
				require.ErrorIs(b.t, err, queue.ErrConflict)
			}
			seen, last = append(seen, revision), revision
			remove()
			if _, err := s.Get(b.ctx, "a.k"); err == nil {
				continue
			}
			_, err := s.Put(b.ctx, "a.k", []byte("stale"), last, 0)
			require.ErrorIs(b.t, err, queue.ErrConflict, "a revision of a record that has gone")
			revision, err = s.Put(b.ctx, "a.k", []byte("new"), queue.Absent, 0)
			require.NoError(b.t, err, "Absent after it has gone")
			require.Greater(b.t, revision, last)
			last = revision
		}
	}
}

// prefixes: a prefix matches whole parts of keys.
func prefixes(b *storeBench) {
	s := b.open()
	for _, key := range []string{"a", "a.b", "a.b.c", "a.c", "ab", "a-b", "a_b", "a=b", "A", "b", "b.a"} {
		b.put(s, key, "v")
	}
	for prefix, want := range map[string]int{
		"": 11, "a": 4, "a.b": 2, "a.b.c": 1, "ab": 1, "b": 2, "c": 0, "a.b.c.d": 0,
	} {
		b.counts(s, prefix, want)
	}
	b.remove(s, "a")
	b.counts(s, "a", 3)
	b.put(s, "a.b", "again")
	b.counts(s, "a", 3)
	b.put(s, "a", "back")
	b.counts(s, "a", 4)
}

// clearLeavesNeighbours: only what has the prefix goes.
func clearLeavesNeighbours(b *storeBench) {
	s, other := b.open(), b.open()
	keys := []string{"a", "a.b", "a.b.c", "ab", "a-b", "A", "b.a"}
	for _, key := range keys {
		b.put(s, key, key)
	}
	require.NoError(b.t, s.Clear(b.ctx, "nothing"))
	require.NoError(b.t, s.Clear(b.ctx, "a"))
	for i, key := range keys {
		if i < 3 {
			b.lacks(other, key)
			continue
		}
		_, err := other.Get(b.ctx, key)
		require.NoError(b.t, err, key)
	}
	b.counts(other, "", 4)
	require.NoError(b.t, s.Clear(b.ctx, ""))
	b.counts(other, "", 0)
	b.put(s, "a", "again")
	b.counts(other, "", 1)
}

// badArguments: each method checks them, and does nothing.
func badArguments(b *storeBench) {
	s := b.open()
	put := func(key string, keep time.Duration) error {
		_, err := s.Put(b.ctx, key, nil, queue.Always, keep)
		return err
	}
	for _, key := range []string{".", "a.", ".a", "a..b", "a b", "a*", "a.>", "ä", strings.Repeat("k", 201)} {
		_, err := s.Get(b.ctx, key)
		_, counted := s.Count(b.ctx, key)
		for method, err := range map[string]error{
			"Get": err, "Count": counted, "Put": put(key, 0), "Delete": s.Delete(b.ctx, key, queue.Always),
			"Clear": s.Clear(b.ctx, key), "Watch": watchError(b.ctx, s, key),
		} {
			require.ErrorIs(b.t, err, queue.ErrConfig, "%s of %q", method, key)
		}
	}
	require.ErrorIs(b.t, put("", 0), queue.ErrConfig)
	require.ErrorIs(b.t, put("k", -1), queue.ErrConfig)
	require.ErrorIs(b.t, s.Delete(b.ctx, "k", queue.Absent), queue.ErrConfig)
	b.counts(s, "", 0)
}

// watchError returns the error with which a watch ends; nil if it does not begin with that.
func watchError(ctx context.Context, s queue.Store, prefix string) error {
	for _, err := range s.Watch(ctx, prefix) {
		return err
	}
	return nil
}

// storeFacts: they are those of the contract, and the same for everyone.
func storeFacts(b *storeBench) {
	s, other := b.open(), b.open()
	facts, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	require.NotEmpty(b.t, facts.Incarnation)
	require.GreaterOrEqual(b.t, facts.MaxValue, 32<<10)
	require.Positive(b.t, facts.MinLease)
	again, err := other.Facts(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, facts, again)
}
