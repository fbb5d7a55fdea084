package postgres_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/schedule"
)

// TestStoredPlans: three nodes follow plans in a store of this package, and publish to a queue of
// it. Each planned time and each firing by hand is enqueued once, and none is left out, while the
// plan is put, changed, paused, run, and removed.
func TestStoredPlans(t *testing.T) {
	t.Parallel()
	b := newBroker(t, url(), postgres.Config{Schema: newSchema(t)})
	plans, err := schedule.OpenPlans(openStore(t, b), "ticks")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		cfg := schedule.Config{Stored: plans, Logger: slog.New(slog.DiscardHandler)}
		wg.Go(func() { errs[i] = schedule.Run(ctx, b.Queue("ticks"), cfg) })
	}
	defer wg.Wait()
	defer cancel()
	s := open(t, b.Queue("ticks"), 1)
	seen := map[string]bool{}
	take := func(d *queue.Delivery) time.Time {
		require.False(t, seen[d.ID], "%s comes twice", d.ID)
		seen[d.ID] = true
		ack(t, s, d)
		at, err := time.Parse(time.RFC3339, d.Headers[schedule.HeaderPlanned])
		require.NoError(t, err)
		return at
	}
	next := func() time.Time { return take(receive(t, s)) }
	var last time.Time
	for i := range 6 {
		if i%3 == 0 {
			require.NoError(t, plans.Put(ctx, schedule.Plan{
				Name: "tick", Cron: "* * * * * *", Message: queue.Message{Body: []byte{byte(i)}},
			}))
		}
		at := next()
		require.True(t, i == 0 || at.Equal(last.Add(time.Second)), "%v after %v", at, last)
		last = at
	}
	require.NoError(t, plans.Pause(ctx, "tick"))
	for { // what was under way
		quiet, cancel := context.WithTimeout(ctx, 2*time.Second)
		d, err := s.Receive(quiet)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			break
		}
		take(d)
	}
	all, err := plans.List(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.True(t, all[0].Paused)
	require.False(t, all[0].Last.Before(last.Add(-time.Minute)))
	for range 3 {
		require.NoError(t, plans.RunNow(ctx, "tick"))
		next()
	}
	nothing(t, s)
	require.NoError(t, plans.Remove(ctx, "tick"))
	cancel()
	wg.Wait()
	require.Equal(t, make([]error, 3), errs)
}
