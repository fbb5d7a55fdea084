package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// TestStress: with every fault at once and consumers that reopen, no message is ever lost, and the
// counts are consistent.
func TestStress(t *testing.T) {
	const messages, consumers = 2000, 4
	q := memory.New(memory.Config{Seed: 42, Journal: true, Faults: memory.Faults{
		LoseSession: memory.Rate(0.01), LoseAck: memory.Rate(0.01), LoseReply: memory.Rate(0.01),
		Duplicate: memory.Rate(0.02), Reorder: memory.Rate(0.2), RefuseOpen: memory.Rate(0.1),
		FailSettle: memory.Rate(0.02),
	}})
	defer q.Close()
	require.NoError(t, q.Publish(t.Context(), make([]queue.Message, messages)...))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range consumers {
		rng := rand.New(rand.NewPCG(42, uint64(i)))
		wg.Go(func() { consume(ctx, q, rng) })
	}
	require.NoError(t, q.WaitEmpty(ctx))
	cancel()
	wg.Wait()
	require.NoError(t, q.Check())
	stats := q.Stats()
	require.Equal(t, messages+stats.Duplicated, stats.Acked+stats.DeadLettered, "%+v", stats)
	for _, n := range []int{
		stats.Duplicated, stats.LostAcks, stats.Lost, stats.Refused, stats.Released,
		stats.Requeued,
	} {
		require.Positive(t, n, "%+v", stats)
	}
}

// consume opens sessions, and settles their deliveries, until ctx ends.
func consume(ctx context.Context, q *memory.Queue, rng *rand.Rand) {
	for ctx.Err() == nil {
		s, err := q.Open(ctx, queue.Options{Prefetch: 10})
		if err != nil {
			continue
		}
		consumeSession(ctx, s, rng)
		_ = s.Close(context.WithoutCancel(ctx))
	}
}

// consumeSession settles deliveries at random until the session is over.
func consumeSession(ctx context.Context, s queue.Session, rng *rand.Rand) {
	for {
		d, err := s.Receive(ctx)
		if err != nil {
			return
		}
		st := queue.Settlement{Delivery: d, Disposition: queue.Disposition(1 + rng.IntN(4))}
		if rng.IntN(8) == 0 {
			st.After = time.Duration(rng.IntN(2000)) * time.Microsecond
		}
		for errors.Is(s.Settle(ctx, []queue.Settlement{st}), memory.ErrRefused) {
		}
	}
}
