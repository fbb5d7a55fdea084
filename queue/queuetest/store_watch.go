package queuetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func watchCases() []storeCase {
	return []storeCase{
		{name: "watch/the state, then each change", check: stateThenChanges},
		{name: "watch/matches whole parts", check: watchMatchesParts},
		{name: "watch/is alive every two seconds", check: aliveRegularly},
		{name: "watch/many writers", check: watchManyWriters},
		{name: "watch/a slow loop ends up right", check: slowLoop},
		{name: "watch/many watchers", check: manyWatchers},
	}
}

func endCases() []storeCase {
	return []storeCase{
		{name: "end/of a loop", check: endOfLoop},
		{name: "end/of a context", check: endOfContext},
		{name: "end/close", check: closeEndsAll},
	}
}

// stateThenChanges: all records come, then current, then each change.
func stateThenChanges(b *storeBench) {
	s, other := b.open(), b.open()
	b.put(s, "a.1", "one")
	b.put(s, "a.2", "two")
	b.put(s, "a.3", "three")
	b.remove(s, "a.3")
	f := b.follow(other, "a")
	f.values(map[string]string{"a.1": "one", "a.2": "two"})
	require.True(b.t, f.is(func() bool { return f.sets == 2 && f.whole == 2 }), "each once, and before current")
	b.put(s, "a.1", "uno")
	b.put(s, "a", "itself")
	f.values(map[string]string{"a": "itself", "a.1": "uno", "a.2": "two"})
	b.remove(s, "a.1")
	f.values(map[string]string{"a": "itself", "a.2": "two"})
	b.put(s, "a.1", "")
	f.values(map[string]string{"a": "itself", "a.1": "", "a.2": "two"})
	require.NoError(b.t, s.Clear(b.ctx, "a"))
	f.values(map[string]string{})
	b.put(s, "a.1", "last")
	f.values(map[string]string{"a.1": "last"})
	require.True(b.t, f.is(func() bool { return f.resets == 0 }), "nothing was made again")
}

// watchMatchesParts: a watch yields what has its prefix, and nothing else.
func watchMatchesParts(b *storeBench) {
	s := b.open()
	f, all := b.follow(s, "a"), b.follow(s, "")
	deep := b.follow(s, "a.b.c")
	f.until("current", func() bool { return f.current })
	keys := []string{"ab", "a-b", "A", "b.a", "a", "a.b", "a.b.c"}
	want := map[string]string{}
	for _, key := range keys {
		b.put(s, key, key)
		want[key] = key
	}
	all.values(want)
	f.values(map[string]string{"a": "a", "a.b": "a.b", "a.b.c": "a.b.c"})
	deep.values(map[string]string{"a.b.c": "a.b.c"})
	require.NoError(b.t, s.Clear(b.ctx, "a.b"))
	f.values(map[string]string{"a": "a"})
	deep.values(map[string]string{})
	for _, key := range []string{"a.b", "a.b.c"} {
		delete(want, key)
	}
	all.values(want)
}

// aliveRegularly: a watch without changes is alive every two seconds, and so is one with many.
func aliveRegularly(b *storeBench) {
	s := b.open()
	quiet, loud := b.follow(s, "quiet"), b.follow(s, "loud")
	quiet.until("current", func() bool { return quiet.current })
	start := time.Now()
	for i := 0; time.Since(start) < 3*aliveEvery; i++ {
		b.put(s, "loud", strconv.Itoa(i))
		time.Sleep(10 * time.Millisecond)
	}
	elapsed := time.Since(start)
	for name, f := range map[string]*follower{"quiet": quiet, "loud": loud} {
		beats := f.beats(start)
		require.GreaterOrEqual(b.t, beats, 2, "%s: alive in %v", name, elapsed)
		require.LessOrEqual(b.t, beats, int(elapsed/aliveEvery)+1, "%s: alive in %v", name, elapsed)
	}
}

// watchManyWriters: revisions of a key come in order, and the last is not left out.
func watchManyWriters(b *storeBench) {
	const writers, each = 6, 60
	s, other := b.open(), b.open()
	f := b.follow(other, "k")
	var group sync.WaitGroup
	failed := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			for n := range each {
				key := fmt.Sprintf("k.%d", (i+n)%3)
				if _, err := s.Put(b.ctx, key, fmt.Append(nil, i, n), queue.Always, 0); err != nil {
					failed[i] = err
				}
			}
		})
	}
	group.Wait()
	for _, err := range failed {
		require.NoError(b.t, err)
	}
	want := map[string]string{}
	for i := range 3 {
		key := fmt.Sprintf("k.%d", i)
		got, err := s.Get(b.ctx, key)
		require.NoError(b.t, err)
		want[key] = string(got.Value)
	}
	f.values(want)
}

// slowLoop: a loop that is slower than the changes may miss some, but not the last.
func slowLoop(b *storeBench) {
	s := b.open()
	f := b.followSlowly(s, "", silence)
	f.until("current", func() bool { return f.current })
	want := map[string]string{}
	for i := range 50 {
		key, value := fmt.Sprintf("k%d", i%5), strconv.Itoa(i)
		b.put(s, key, value)
		want[key] = value
	}
	b.put(s, "gone", "v")
	b.remove(s, "gone")
	f.values(want)
}

// manyWatchers: each has every change.
func manyWatchers(b *storeBench) {
	stores := []queue.Store{b.open(), b.open()}
	var all []*follower
	for i := range 20 {
		all = append(all, b.follow(stores[i%2], "k"))
	}
	for _, f := range all {
		f.until("current", func() bool { return f.current })
	}
	want := map[string]string{}
	for i := range 20 {
		key := fmt.Sprintf("k.%d", i)
		b.put(stores[0], key, key)
		want[key] = key
	}
	for _, f := range all {
		f.values(want)
	}
}

// endOfLoop: a loop may end at any change, and the store goes on.
func endOfLoop(b *storeBench) {
	s := b.open()
	b.put(s, "a", "1")
	b.put(s, "b", "2")
	changes := s.Watch(b.ctx, "")
	for range 2 { // a sequence may be used again
		for c, err := range changes {
			require.NoError(b.t, err)
			require.Equal(b.t, queue.ChangeSet, c.Kind)
			break
		}
	}
	for c, err := range changes {
		require.NoError(b.t, err)
		if c.Kind == queue.ChangeCurrent {
			break
		}
	}
	b.counts(s, "", 2)
}

// endOfContext: a context that has ended ends everything, and that is no error of a watch.
func endOfContext(b *storeBench) {
	s := b.open()
	ctx, cancel := context.WithCancel(b.ctx)
	time.AfterFunc(silence, cancel)
	for _, err := range s.Watch(ctx, "") {
		require.NoError(b.t, err)
	}
	require.Error(b.t, ctx.Err(), "the watch has ended by itself")
	_, err := s.Get(ctx, "k")
	require.ErrorIs(b.t, err, context.Canceled)
	_, err = s.Put(ctx, "k", nil, queue.Always, 0)
	require.ErrorIs(b.t, err, context.Canceled)
	require.ErrorIs(b.t, s.Delete(ctx, "k", queue.Always), context.Canceled)
	require.ErrorIs(b.t, s.Clear(ctx, ""), context.Canceled)
	_, err = s.Count(ctx, "")
	require.ErrorIs(b.t, err, context.Canceled)
	_, err = s.Facts(ctx)
	require.ErrorIs(b.t, err, context.Canceled)
	b.lacks(s, "k")
}

// closeEndsAll: the store's watches end with ErrClosed, as every call does. Another access goes on.
func closeEndsAll(b *storeBench) {
	s, other := b.open(), b.open()
	b.put(s, "k", "v")
	f := b.follow(s, "")
	f.until("current", func() bool { return f.current })
	require.NoError(b.t, s.Close())
	require.NoError(b.t, s.Close())
	f.until("end", func() bool { return f.over })
	require.ErrorIs(b.t, f.err, queue.ErrClosed)
	_, err := s.Get(b.ctx, "k")
	require.ErrorIs(b.t, err, queue.ErrClosed)
	_, err = s.Put(b.ctx, "k", nil, queue.Always, 0)
	require.ErrorIs(b.t, err, queue.ErrClosed)
	require.ErrorIs(b.t, s.Delete(b.ctx, "k", queue.Always), queue.ErrClosed)
	require.ErrorIs(b.t, s.Clear(b.ctx, ""), queue.ErrClosed)
	_, err = s.Count(b.ctx, "")
	require.ErrorIs(b.t, err, queue.ErrClosed)
	_, err = s.Facts(b.ctx)
	require.ErrorIs(b.t, err, queue.ErrClosed)
	require.ErrorIs(b.t, watchError(b.ctx, s, ""), queue.ErrClosed)
	b.counts(other, "", 1)
	b.put(other, "k", "goes on")
}
