package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/lease"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// usages are those of many keys.
type usages struct {
	mu    sync.Mutex
	total int
	all   map[string]*usage
}

func (u *usages) of(key string) *usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.all[key]
	if one == nil {
		one = newUsage(u.total)
		u.all[key] = one
	}
	return one
}

// same makes a part of a key of a text that is one.
func same(key string) string { return key }

// keyed runs jobs of random keys in a program, with so many that wait or run at a time, until ctx
// ends. It returns how many jobs it has finished.
func keyed(ctx context.Context, k *lease.Keys, u *usages, most int, draw func() (string, time.Duration)) int {
	var jobs sync.WaitGroup
	var mu sync.Mutex
	done, in := 0, map[string]int{}
	add := func(key string, n int) {
		mu.Lock()
		defer mu.Unlock()
		in[key] += n
		k.Want(key, in[key])
	}
	slots := make(chan struct{}, most)
	for ctx.Err() == nil {
		key, takes := draw()
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		add(key, 1)
		jobs.Go(func() {
			defer func() { add(key, -1); <-slots }()
			p, ok := k.Acquire(key)
			for !ok && ctx.Err() == nil {
				pause(ctx, 10*time.Millisecond, nil)
				p, ok = k.Acquire(key)
			}
			if !ok {
				return
			}
			defer p.Release()
			u.of(key).add(1)
			defer u.of(key).add(-1)
			select {
			case <-time.After(takes):
				mu.Lock()
				done++
				mu.Unlock()
			case <-p.Context().Done():
			}
		})
	}
	jobs.Wait()
	return done
}

// TestKeys_OneAfterTheOther: a key is used by one program at a time, and each gets its turn. In the
// end nothing is left in the store.
func TestKeys_OneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		u := &usages{total: 1, all: map[string]*usage{}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var all sync.WaitGroup
		done := make([]int, 3)
		for i := range done {
			p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store { return &slowStore{Store: s, slow: time.Millisecond} })
			all.Go(func() {
				k := p.keeper.Keys("jobs", 1, same, nil)
				n := 0
				done[i] = keyed(ctx, k, u, 3, func() (string, time.Duration) {
					n++
					return []string{"a", "b"}[n%2], 20 * time.Millisecond
				})
				k.Close()
				p.keeper.Close(context.Background())
			})
		}
		all.Wait()
		for key, one := range u.all {
			require.Equal(t, 1, one.most, key)
			share := float64(one.area) / float64(20*time.Second)
			t.Logf("%s: %.3f in use", key, share)
			require.Greater(t, share, 0.8)
		}
		t.Logf("jobs %v", done)
		for _, n := range done {
			require.Greater(t, n, 300)
		}
		requireNoRecords(t, b)
	})
}

// requireNoRecords checks that the store is empty.
func requireNoRecords(t *testing.T, b *memory.Broker) {
	t.Helper()
	store, err := b.Store(t.Context(), "fleet")
	require.NoError(t, err)
	n, err := store.Count(t.Context(), "")
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestKeys_KeepsAHotKey: while a key is in use, or was a moment ago, the store has no work with it.
// A second later nothing is left of it.
func TestKeys_KeepsAHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		k := p.keeper.Keys("jobs", 2, same, nil)
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		k.Want("x", 1)
		synctest.Wait()
		before, err := store.Get(t.Context(), "key.jobs.x")
		require.NoError(t, err)
		for range 100 {
			unit, ok := k.Acquire("x")
			require.True(t, ok)
			_, second := k.Acquire("x")
			require.False(t, second, "one is wanted")
			time.Sleep(50 * time.Millisecond)
			unit.Release()
			k.Want("x", 0)
			time.Sleep(500 * time.Millisecond)
			k.Want("x", 1)
		}
		after, err := store.Get(t.Context(), "key.jobs.x")
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Equal(t, 1, k.Len())
		k.Want("x", 0)
		time.Sleep(1100 * time.Millisecond)
		require.Zero(t, k.Len())
		requireNoRecords(t, b)
		k.Close()
		p.keeper.Close(t.Context())
	})
}

// TestKeys_TakesOver the keys of a program that is gone, and gives back what it has got by a write
// that came late.
func TestKeys_TakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		one, two := newProgram(t, b, "1"), newProgram(t, b, "2")
		first := one.keeper.Keys("jobs", 1, same, nil)
		second := two.keeper.Keys("jobs", 1, same, nil)
		first.Want("x", 1)
		first.Want("y", 1)
		synctest.Wait()
		unit, ok := first.Acquire("x")
		require.True(t, ok)
		second.Want("x", 1)
		time.Sleep(5 * time.Second)
		_, ok = second.Acquire("x")
		require.False(t, ok, "it is in use")
		one.line.Cut()
		cut := time.Now()
		<-unit.Context().Done()
		require.Less(t, time.Since(cut), 1500*time.Millisecond)
		_, ok = second.Acquire("x")
		require.False(t, ok, "the other one has just lost it")
		time.Sleep(2*time.Second - time.Since(cut))
		taken, ok := second.Acquire("x")
		require.True(t, ok)
		_, ok = first.Acquire("y")
		require.False(t, ok)
		one.line.Restore()
		time.Sleep(2 * time.Second)
		again, ok := first.Acquire("y")
		require.True(t, ok, "by another lease")
		for _, p := range []*lease.Permit{unit, taken, again} {
			p.Release()
		}
		first.Close()
		second.Close()
		one.keeper.Close(t.Context())
		two.keeper.Close(t.Context())
	})
}

// TestKeys_Stray: units of a key with which a program has nothing to do go back, as after a write
// that has come late.
func TestKeys_Stray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		k := p.keeper.Keys("jobs", 1, same, nil)
		k.Want("x", 1)
		synctest.Wait()
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		record, err := store.Get(t.Context(), "key.jobs.x")
		require.NoError(t, err)
		_, err = store.Put(t.Context(), "key.jobs.y", record.Value, queue.Absent, 0)
		require.NoError(t, err)
		time.Sleep(1100 * time.Millisecond)
		_, err = store.Get(t.Context(), "key.jobs.y")
		require.ErrorIs(t, err, queue.ErrNoRecord)
		k.Close()
		p.keeper.Close(t.Context())
		requireNoRecords(t, b)
	})
}

// TestKeys_NeverMore units of a key are in use than there are, over a bad network and cuts.
func TestKeys_NeverMore(t *testing.T) {
	for seed := range rig.Seeds(10, 4) {
		synctest.Test(t, func(t *testing.T) { neverMoreOfAKey(t, rand.New(rand.NewPCG(seed, 5))) })
	}
}

func neverMoreOfAKey(t *testing.T, r *rand.Rand) {
	t.Helper()
	b := memory.NewBroker()
	u := &usages{total: 1 + r.IntN(3), all: map[string]*usage{}}
	programs := make([]*program, 2+r.IntN(4))
	names := 1 + r.IntN(12)
	var all, late sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range programs {
		p := newProgram(t, b, fmt.Sprint(i), func(s queue.Store) queue.Store {
			return &badStore{Store: s, r: rand.New(rand.NewPCG(r.Uint64(), 3)), late: &late}
		})
		programs[i] = p
		mine := rand.New(rand.NewPCG(r.Uint64(), 1))
		all.Go(func() {
			for ctx.Err() == nil {
				turn, end := context.WithTimeout(ctx, time.Duration(mine.IntN(40_000))*time.Millisecond)
				k := p.keeper.Keys("jobs", u.total, same, nil)
				keyed(turn, k, u, 1+mine.IntN(5), func() (string, time.Duration) {
					return fmt.Sprint(mine.IntN(names)), time.Duration(mine.IntN(2000)) * time.Millisecond
				})
				k.Close()
				end()
			}
		})
	}
	storm(r, programs, 200, func() {})
	before := areas(u)
	time.Sleep(time.Minute)
	for key, area := range areas(u) {
		require.Greater(t, area, before[key], "key %s is in use again in the end", key)
	}
	cancel()
	all.Wait()
	for _, p := range programs {
		p.keeper.Close(t.Context())
	}
	late.Wait()
	for key, one := range u.all {
		require.LessOrEqual(t, one.most, u.total, "key %s", key)
	}
}

func areas(u *usages) map[string]time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]time.Duration{}
	for key, one := range u.all {
		all[key] = one.soFar()
	}
	return all
}

// TestKeys_Many: as many keys as there are come and go, and leave nothing behind.
func TestKeys_Many(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		p := newProgram(t, b, "a")
		k := p.keeper.Keys("jobs", 1, same, nil)
		const n = 2000
		for turn := range 3 {
			for i := range n {
				k.Want(fmt.Sprint(i), 1)
			}
			synctest.Wait()
			for i := range n {
				unit, ok := k.Acquire(fmt.Sprint(i))
				require.True(t, ok, "turn %d, key %d", turn, i)
				unit.Release()
				k.Want(fmt.Sprint(i), 0)
			}
			time.Sleep(time.Duration(turn) * time.Second) // the second turn finds the keys that were kept
		}
		require.Zero(t, k.Len())
		requireNoRecords(t, b)
		k.Close()
		p.keeper.Close(t.Context())
	})
}
