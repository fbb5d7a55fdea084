package queuetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func storeLossCases() []storeCase {
	cuts := func(f StoreFixture) bool { return f.Aside != nil }
	mutes := func(f StoreFixture) bool { return f.LoseAnswers != nil }
	kills := func(f StoreFixture) bool { return f.Kill != nil }
	wipes := func(f StoreFixture) bool { return f.Wipe != nil }
	return []storeCase{
		{name: "loss/nothing hangs", needs: cuts, check: nothingHangs},
		{name: "loss/a watch is not alive without the broker", needs: cuts, check: notAliveWhenCut},
		{name: "loss/a watch catches up", needs: cuts, check: watchCatchesUp},
		{name: "loss/errors of writes are true", needs: cuts, check: errorsAreTrue},
		{name: "loss/a lost answer is uncertain", needs: mutes, check: lostAnswer},
		{name: "loss/the broker is killed", needs: kills, check: brokerKilled},
		{name: "loss/the store is made again", needs: wipes, check: madeAgain},
	}
}

// nothingHangs: without the broker, each call has an error within five seconds, or with its
// context.
func nothingHangs(b *storeBench) {
	s := b.open()
	b.put(s, "k", "v")
	b.Cut()
	calls := map[string]func(ctx context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err },
		"Put":    func(ctx context.Context) error { _, err := s.Put(ctx, "k", nil, queue.Always, 0); return err },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, "k", queue.Always) },
		"Clear":  func(ctx context.Context) error { return s.Clear(ctx, "") },
		"Count":  func(ctx context.Context) error { _, err := s.Count(ctx, ""); return err },
		"Facts":  func(ctx context.Context) error { _, err := s.Facts(ctx); return err },
	}
	for name, call := range calls {
		start := time.Now()
		err := call(b.ctx)
		require.Less(b.t, time.Since(start), giveUp+busy, name)
		require.True(b.t, away(err), "%s: %v", name, err)
		ctx, cancel := context.WithTimeout(b.ctx, silence)
		start = time.Now()
		require.Error(b.t, call(ctx), name)
		require.Less(b.t, time.Since(start), silence+busy, name)
		cancel()
	}
	b.Restore()
	b.soon("the store works again", func() bool { _, err := s.Get(b.ctx, "k"); return err == nil })
}

// away reports whether an error is one of a broker that is away.
func away(err error) bool {
	return errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrUncertain)
}

// notAliveWhenCut: alive is said after a real answer only.
func notAliveWhenCut(b *storeBench) {
	f := b.follow(b.open(), "")
	f.until("current", func() bool { return f.current })
	b.Cut()
	time.Sleep(aliveEvery + silence) // what was made sure before may still be said
	quiet := time.Now()
	time.Sleep(aliveEvery + silence)
	require.Zero(b.t, f.beats(quiet), "alive without a broker")
	b.Restore()
	restored := time.Now()
	f.until("alive again", func() bool { return len(f.alive) > 0 && f.alive[len(f.alive)-1].After(restored) })
}

// watchCatchesUp: what happened while the connection was cut comes soon after it is back.
func watchCatchesUp(b *storeBench) {
	aside := b.aside()
	f := b.follow(b.open(), "a")
	want := map[string]string{}
	for i := range 20 {
		key := fmt.Sprintf("a.%02d", i)
		b.put(aside, key, "before")
		want[key] = "before"
	}
	b.keep(aside, "a.expires", "before", shortKeep)
	want["a.expires"] = "before"
	f.values(want)
	b.Cut()
	b.put(aside, "a.00", "changed")
	b.put(aside, "a.01", "changed twice")
	b.put(aside, "a.01", "back")
	b.put(aside, "a.new", "new")
	b.put(aside, "b", "another")
	b.remove(aside, "a.02")
	b.put(aside, "a.03.x", "v")
	require.NoError(b.t, aside.Clear(b.ctx, "a.03"))
	want["a.00"], want["a.01"], want["a.new"] = "changed", "back", "new"
	for _, key := range []string{"a.02", "a.03", "a.expires"} {
		delete(want, key)
	}
	time.Sleep(shortKeep + vanish)
	b.Restore()
	start := time.Now()
	f.values(want)
	took := time.Since(start)
	b.t.Logf("caught up in %v", took.Round(time.Millisecond))
	require.Less(b.t, took, time.Second+busy)
	b.put(aside, "a.00", "after")
	want["a.00"] = "after"
	f.values(want)
}

// errorsAreTrue: a write that was confirmed is there, and one that the broker did not get, by its
// error, is not.
func errorsAreTrue(b *storeBench) {
	const writers, rounds = 6, 4
	s, aside := b.open(), b.aside()
	var group sync.WaitGroup
	stop := make(chan struct{})
	faults := make([]string, writers)
	for i := range writers {
		group.Go(func() { faults[i] = b.write(s, aside, fmt.Sprintf("k%d", i), stop) })
	}
	for range rounds {
		time.Sleep(silence)
		b.Cut()
		time.Sleep(silence / 2)
		b.Restore()
		b.soon("the store is back", func() bool { _, err := s.Count(b.ctx, ""); return err == nil })
	}
	close(stop)
	group.Wait()
	for _, fault := range faults {
		require.Empty(b.t, fault)
	}
}

// write puts numbers, and compares each result with what is there. It returns what is wrong.
func (b *storeBench) write(s, aside queue.Store, key string, stop <-chan struct{}) string {
	confirmed, uncertain := -1, 0
	for n := 0; b.ctx.Err() == nil; n++ {
		select {
		case <-stop:
			b.t.Logf("%s: %d writes, %d of them uncertain", key, n, uncertain)
			return ""
		default:
		}
		_, failed := s.Put(b.ctx, key, []byte(strconv.Itoa(n)), queue.Always, 0)
		if errors.Is(failed, queue.ErrUncertain) {
			uncertain++
			time.Sleep(silence) // it may be on its way
		} else if failed != nil && !errors.Is(failed, queue.ErrUnavailable) {
			return fmt.Sprintf("%s: the error is neither ErrUnavailable nor ErrUncertain: %v", key, failed)
		}
		got, err := aside.Get(b.ctx, key)
		present := string(got.Value)
		if failed == nil || errors.Is(failed, queue.ErrUncertain) && present == strconv.Itoa(n) {
			confirmed = n
		}
		if confirmed < 0 && errors.Is(err, queue.ErrNoRecord) {
			continue
		}
		if err != nil || present != strconv.Itoa(confirmed) {
			return fmt.Sprintf("%s: write %d returned %v; %q is there, want %d; %v",
				key, n, failed, present, confirmed, err)
		}
	}
	return "the case took too long"
}

// lostAnswer: a write whose answer does not come is uncertain, and is there.
func lostAnswer(b *storeBench) {
	s, aside := b.open(), b.aside()
	first, err := s.Put(b.ctx, "k", []byte("first"), b.put(s, "k", "zero"), 0) // prepares the statement
	require.NoError(b.t, err)
	b.LoseAnswers()
	start := time.Now()
	_, err = s.Put(b.ctx, "k", []byte("second"), first, 0)
	require.ErrorIs(b.t, err, queue.ErrUncertain)
	require.Less(b.t, time.Since(start), giveUp+busy)
	b.soon("the write is there", func() bool {
		got, err := aside.Get(b.ctx, "k")
		return err == nil && string(got.Value) == "second"
	})
	b.Restore()
	b.soon("the store is back", func() bool { _, err := s.Get(b.ctx, "k"); return err == nil })
	_, err = s.Put(b.ctx, "k", []byte("third"), first, 0)
	require.ErrorIs(b.t, err, queue.ErrConflict)
}

// brokerKilled: confirmed records survive, watches catch up, and revisions go on.
func brokerKilled(b *storeBench) {
	s := b.open()
	facts, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	f := b.follow(s, "")
	last := b.put(s, "k", "before")
	b.put(s, "stays", "v")
	f.values(map[string]string{"k": "before", "stays": "v"})
	b.Kill()
	back := time.Now()
	b.soon("a write", func() bool { _, err := s.Put(b.ctx, "k", []byte("after"), last, 0); return !away(err) })
	f.until("the change", func() bool { return string(f.state["k"].Value) == "after" })
	b.t.Logf("a change came %v after the broker was back", time.Since(back).Round(time.Millisecond))
	f.values(map[string]string{"k": "after", "stays": "v"})
	got, err := s.Get(b.ctx, "k")
	require.NoError(b.t, err)
	require.Greater(b.t, got.Revision, last)
	again, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, facts.Incarnation, again.Incarnation)
}

// madeAgain: a watch is reset, and goes on with what is there then.
func madeAgain(b *storeBench) {
	s := b.open()
	facts, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	f := b.follow(s, "")
	last := b.put(s, "old", "v")
	for i := range 10 {
		last = b.put(s, fmt.Sprintf("old.%d", i), "v")
	}
	f.until("the records", func() bool { return len(f.state) == 11 })
	b.Wipe()
	f.until("the reset", func() bool { return f.resets > 0 && f.current && len(f.state) == 0 })
	var revision queue.Revision
	b.soon("a write", func() bool {
		revision, err = s.Put(b.ctx, "new", []byte("v"), queue.Absent, 0)
		return err == nil
	})
	require.Greater(b.t, revision, last)
	f.values(map[string]string{"new": "v"})
	again, err := s.Facts(b.ctx)
	require.NoError(b.t, err)
	require.NotEqual(b.t, facts.Incarnation, again.Incarnation)
}
