package queuetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func expiryCases() []storeCase {
	return []storeCase{
		{name: "expiry/a record lasts for its time", check: lastsForItsTime},
		{name: "expiry/the last put counts", check: lastPutCounts},
	}
}

// lastsForItsTime: a record is there until its time is over, and then nowhere.
func lastsForItsTime(b *storeBench) {
	s, other := b.open(), b.open()
	f := b.follow(other, "a")
	f.until("current", func() bool { return f.current })
	start := time.Now()
	revision := b.keep(s, "a.k", "v", shortKeep)
	put := time.Now()
	b.put(s, "a.stays", "v")
	for {
		_, err := other.Get(b.ctx, "a.k")
		count, counted := other.Count(b.ctx, "a")
		if time.Since(start) >= shortKeep {
			break
		}
		require.NoError(b.t, err, "it has gone too early")
		require.NoError(b.t, counted)
		require.Equal(b.t, 2, count, "it is counted until its time is over")
		time.Sleep(20 * time.Millisecond)
	}
	b.soon("the record goes", func() bool {
		_, err := other.Get(b.ctx, "a.k")
		return err != nil
	})
	require.Less(b.t, time.Since(put), shortKeep+vanish+busy, "it has gone too late")
	b.lacks(s, "a.k")
	b.counts(s, "a", 1)
	_, err := s.Put(b.ctx, "a.k", nil, revision, 0)
	require.ErrorIs(b.t, err, queue.ErrConflict, "the revision of a record whose time is over")
	require.ErrorIs(b.t, s.Delete(b.ctx, "a.k", revision), queue.ErrConflict)
	f.until("gone", func() bool { return len(f.state) == 1 })
	again, err := s.Put(b.ctx, "a.k", nil, queue.Absent, 0)
	require.NoError(b.t, err)
	require.Greater(b.t, again, revision)
	f.until("there again", func() bool { return len(f.state) == 2 })
}

// lastPutCounts: another Put starts the time again, or ends it.
func lastPutCounts(b *storeBench) {
	s := b.open()
	b.keep(s, "gone", "v", shortKeep)
	b.keep(s, "renewed", "1", shortKeep)
	b.keep(s, "kept", "1", shortKeep)
	b.keep(s, "stays.no.longer", "1", time.Hour)
	time.Sleep(shortKeep / 2)
	start := time.Now()
	renewed := b.keep(s, "renewed", "2", time.Hour)
	kept := b.put(s, "kept", "2")
	b.keep(s, "stays.no.longer", "2", shortKeep)
	b.soon("those go whose time is over", func() bool {
		n, err := s.Count(b.ctx, "")
		return err == nil && n == 2
	})
	require.GreaterOrEqual(b.t, since(start), shortKeep)
	time.Sleep(time.Until(start.Add(shortKeep + time.Second)))
	b.has(s, "renewed", "2", renewed)
	b.has(s, "kept", "2", kept)
	b.counts(s, "", 2)
}
