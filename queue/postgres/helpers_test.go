package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// patience is the longest wait of these tests for what has to come: the machine may be busy.
const patience = 20 * time.Second

// open opens a session that is closed after the test.
func open(t testing.TB, q queue.Source, prefetch int) queue.Session {
	t.Helper()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: prefetch, Name: "test"})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Close(ctx) // it may be lost
	})
	return s
}

// receive waits for a delivery.
func receive(t testing.TB, s queue.Session) *queue.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	return d
}

// settle settles with one disposition.
func settle(t testing.TB, s queue.Session, disposition queue.Disposition, ds ...*queue.Delivery) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch := make([]queue.Settlement, len(ds))
	for i, d := range ds {
		batch[i] = queue.Settlement{Delivery: d, Disposition: disposition}
	}
	return s.Settle(ctx, batch)
}

func ack(t testing.TB, s queue.Session, ds ...*queue.Delivery) {
	t.Helper()
	require.NoError(t, settle(t, s, queue.Ack, ds...))
}

// lost waits until a session reports that it is over.
func lost(t testing.TB, s queue.Session) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, err := s.Receive(ctx); err != nil {
			require.ErrorIs(t, err, queue.ErrSessionLost)
			return err
		}
	}
}

// nothing requires that no delivery comes for a moment.
func nothing(t testing.TB, s queue.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	d, err := s.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%v", d)
}

// count returns the counts of a queue.
func count(t testing.TB, q queue.Inspector) queue.Stats {
	t.Helper()
	stats, err := q.Inspect(t.Context())
	require.NoError(t, err)
	return stats
}
