package fleet_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/internal/lease"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
)

// BenchmarkKeys measures how long it takes to get a unit of each of many keys, and to give them
// back.
func BenchmarkKeys(b *testing.B) {
	b.Run("Memory", func(b *testing.B) {
		store, err := memory.NewBroker().Store(b.Context(), "fleet")
		require.NoError(b, err)
		benchKeys(b, store)
	})
	b.Run("NATS", func(b *testing.B) {
		js, err := chaos.StartJetStream(1)
		require.NoError(b, err)
		defer func() { require.NoError(b, js.Close()) }()
		broker, err := nats.New(js.URL(0), nats.Config{})
		require.NoError(b, err)
		defer func() { require.NoError(b, broker.Close()) }()
		store, err := broker.Store(b.Context(), "fleet")
		require.NoError(b, err)
		defer func() { require.NoError(b, store.Close()) }()
		benchKeys(b, store)
	})
}

func benchKeys(b *testing.B, store queue.Store) {
	facts, err := store.Facts(b.Context())
	require.NoError(b, err)
	keeper := lease.NewKeeper(store, facts, lease.Config{Node: "bench"})
	defer keeper.Close(context.Background())
	free := make(chan struct{}, 1)
	keys := keeper.Keys("jobs", 1, queue.EncodeKey, func() {
		select {
		case free <- struct{}{}:
		default:
		}
	})
	names := make([]string, b.N)
	for i := range names {
		names[i] = "customer-" + strconv.Itoa(i)
		keys.Want(names[i], 1)
	}
	units := make([]*lease.Permit, 0, b.N)
	for began := time.Now(); len(units) < b.N; {
		if p, ok := keys.Acquire(names[len(units)]); ok {
			units = append(units, p)
			continue
		}
		select {
		case <-free:
		case <-time.After(10 * time.Millisecond):
		}
		require.Less(b, time.Since(began), 5*time.Minute)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/taken")
	var all sync.WaitGroup
	for _, p := range units {
		all.Go(p.Release)
	}
	all.Wait()
	keys.Close()
}
