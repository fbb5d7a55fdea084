package queuetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

func storeModelCases() []storeCase {
	return []storeCase{{name: "model/does what a map does", check: likeAMap}}
}

// likeAMap: random calls through two connections have the results that those of a map have.
func likeAMap(b *storeBench) {
	stores := []queue.Store{b.open(), b.open()}
	round := 0
	rapid.Check(b.t, func(t *rapid.T) {
		round++
		m := &storeModel{root: fmt.Sprintf("r%d", round), records: map[string]queue.Record{}}
		steps := rapid.IntRange(1, 25).Draw(t, "steps")
		for range steps {
			m.step(t, b, stores[rapid.IntRange(0, 1).Draw(t, "store")])
		}
	})
}

// storeModel is a map that behaves as a store.
type storeModel struct {
	root    string // of its keys
	records map[string]queue.Record
	last    queue.Revision
}

func (m *storeModel) step(t *rapid.T, b *storeBench, s queue.Store) {
	key := m.root + rapid.SampledFrom([]string{"", ".a", ".a.b", ".ab", ".b"}).Draw(t, "key")
	present := m.records[key]
	condition := rapid.SampledFrom([]queue.Revision{
		queue.Absent, queue.Always, present.Revision, m.last,
	}).Draw(t, "condition")
	fits := condition == queue.Always || condition == present.Revision
	switch rapid.IntRange(0, 4).Draw(t, "call") {
	case 0, 1:
		value := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
		revision, err := s.Put(b.ctx, key, value, condition, 0)
		m.conflict(t, fits, err)
		if fits {
			require.Greater(t, revision, m.last)
			m.last = revision
			m.records[key] = queue.Record{Key: key, Value: value, Revision: revision}
		}
	case 2:
		err := s.Delete(b.ctx, key, condition)
		if condition == queue.Absent {
			require.ErrorIs(t, err, queue.ErrConfig)
			return
		}
		m.conflict(t, fits, err)
		if fits {
			delete(m.records, key)
		}
	case 3:
		require.NoError(t, s.Clear(b.ctx, key))
		for one := range m.records {
			if queue.HasPrefix(one, key) {
				delete(m.records, one)
			}
		}
	case 4: // only the checks
	}
	m.compare(t, b, s, key)
}

func (m *storeModel) conflict(t *rapid.T, fits bool, err error) {
	if fits {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, queue.ErrConflict)
	}
}

// compare reads a record and a count.
func (m *storeModel) compare(t *rapid.T, b *storeBench, s queue.Store, key string) {
	got, err := s.Get(b.ctx, key)
	want, found := m.records[key]
	require.Equal(t, !found, errors.Is(err, queue.ErrNoRecord), "Get %s: %v", key, err)
	require.Equal(t, want.Revision, got.Revision)
	require.True(t, slices.Equal(want.Value, got.Value), "value %q, want %q", got.Value, want.Value)
	n := 0
	for one := range m.records {
		if queue.HasPrefix(one, key) {
			n++
		}
	}
	count, err := s.Count(b.ctx, key)
	require.NoError(t, err)
	require.Equal(t, n, count, "Count %s", key)
}
