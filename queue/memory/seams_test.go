package memory_test

import (
	"context"
	"math"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunStore(t, func(testing.TB) queuetest.StoreFixture {
		b := memory.NewBroker()
		aside := b.Connect()
		return queuetest.StoreFixture{
			Open:        func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, "fleet") },
			Aside:       func(ctx context.Context) (queue.Store, error) { return aside.Store(ctx, "fleet") },
			Cut:         b.Cut,
			LoseAnswers: func() { b.LoseAnswers(math.MaxInt) },
			Restore:     func() { b.Restore(); b.LoseAnswers(0) },
			Wipe:        b.Wipe,
		}
	})
}

func TestBusConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunBus(t, func(testing.TB) queuetest.BusFixture {
		b := memory.NewBroker()
		aside := b.Connect()
		return queuetest.BusFixture{
			Open:    func(ctx context.Context) (queue.Bus, error) { return b.Bus(ctx, "fleet") },
			Aside:   func(ctx context.Context) (queue.Bus, error) { return aside.Bus(ctx, "fleet") },
			Cut:     b.Cut,
			Restore: b.Restore,
		}
	})
}
