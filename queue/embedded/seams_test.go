package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture {
		b, err := embedded.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return queuetest.StoreFixture{
			Open: func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, "fleet") },
		}
	})
}

func TestBusConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunBus(t, func(t testing.TB) queuetest.BusFixture {
		b, err := embedded.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return queuetest.BusFixture{
			Open: func(ctx context.Context) (queue.Bus, error) { return b.Bus(ctx, "fleet") },
		}
	})
}

// Records survive the broker, and their revisions go on. The facts tell what the disk promises.
func TestStoreSurvivesTheBroker(t *testing.T) {
	dir := t.TempDir()
	last := queue.Absent
	for i, cfg := range []embedded.Config{{}, {Sync: embedded.Every(time.Second)}, {}} {
		b, err := embedded.Open(dir, cfg)
		require.NoError(t, err)
		s, err := b.Store(t.Context(), "fleet")
		require.NoError(t, err)
		facts, err := s.Facts(t.Context())
		require.NoError(t, err)
		require.Equal(t, cfg.Sync == embedded.Always, facts.Durability == queue.ThroughPowerLoss)
		if i > 0 {
			got, err := s.Get(t.Context(), "k")
			require.NoError(t, err)
			require.Equal(t, last, got.Revision)
		}
		revision, err := s.Put(t.Context(), "k", []byte("v"), last, 0)
		require.NoError(t, err)
		require.Greater(t, revision, last)
		last = revision
		require.NoError(t, s.Close())
		require.NoError(t, b.Close())
	}
}
