package schedule

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
)

// TestScenario33_AFleetFiresOnceOnJetStream: three nodes with publishers of their own; each second
// is enqueued once, and none is left out.
func TestScenario33_AFleetFiresOnceOnJetStream(t *testing.T) {
	broker, err := embedded.Open(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, broker.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() {
			errs[i] = Run(ctx, broker.Queue("ticks"), Config{Plans: []Plan{{Name: "tick", Cron: "* * * * * *"}}})
		})
	}
	const firings = 5
	s, err := broker.Queue("ticks").Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	var last time.Time
	for i := range firings {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
		at, err := time.Parse(time.RFC3339, d.Headers[HeaderPlanned])
		require.NoError(t, err)
		require.True(t, i == 0 || at.Equal(last.Add(time.Second)), "%v after %v", at, last)
		last = at
	}
	cancel()
	wg.Wait()
	require.Equal(t, make([]error, 3), errs)
	require.NoError(t, s.Close(context.WithoutCancel(ctx)))
}
