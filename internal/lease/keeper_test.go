package lease_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/lease"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestTake_TogetherIsOneLease: all that ask while a lease is being taken are its users, however
// soon the first of them releases it.
func TestTake_TogetherIsOneLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewBroker(), "a", func(s queue.Store) queue.Store {
			return &slowStore{Store: s, slow: 100 * time.Millisecond}
		})
		defer p.keeper.Close(t.Context())
		var all sync.WaitGroup
		var mu sync.Mutex
		var last *lease.Term
		ids := map[string]int{}
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for i := range 5 {
			all.Go(func() {
				ctx := t.Context()
				if i == 0 {
					time.Sleep(time.Millisecond) // it is not the one that takes it
					ctx = impatient
				}
				term, err := p.keeper.Take(ctx)
				if i == 0 {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				require.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				ids[term.ID()]++
				if last = term; len(ids) == 1 && ids[term.ID()] < 4 {
					term.Release()
				}
			})
		}
		all.Wait()
		require.Len(t, ids, 1)
		time.Sleep(10 * time.Second)
		require.NoError(t, last.Context().Err(), "it has a user")
		last.Release()
		time.Sleep(time.Second)
		require.Error(t, last.Context().Err(), "it has none: who gave up before does not count")
	})
}

// TestOnly_WatchesOn: a program that waits while others hold a name in turn reads the leases once.
func TestOnly_WatchesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.NewBroker()
		counted := &countedStore{now: map[string]int{}, most: map[string]int{}, all: map[string]int{}}
		waiting := newProgram(t, b, "waiting", func(s queue.Store) queue.Store { counted.Store = s; return counted })
		store, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		for _, id := range []string{"x", "y", "z"} {
			_, err := store.Put(t.Context(), "lease."+id, []byte(`{"ttl_ms":60000}`), queue.Absent, 0)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_ = waiting.keeper.Only(ctx, "report", func(context.Context, uint64) error { t.Error("it is held"); return nil })
		})
		for range 10 {
			for _, id := range []string{"x", "y", "z"} {
				_, err := store.Put(t.Context(), "only.report", []byte(`{"lease":"`+id+`","turn":"1"}`), queue.Always, 0)
				require.NoError(t, err)
				time.Sleep(100 * time.Millisecond)
			}
		}
		cancel()
		all.Wait()
		waiting.keeper.Close(t.Context())
		require.Equal(t, 1, counted.of(counted.all))
	})
}
