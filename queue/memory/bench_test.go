package memory_test

import (
	"context"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
)

// BenchmarkPublishReceiveAck is one message's way through the queue, with 1,000 others waiting and
// 100 held.
func BenchmarkPublishReceiveAck(b *testing.B) {
	ctx := context.Background()
	q := memory.New(memory.Config{})
	m := queue.Message{ID: "m", Body: []byte("{}")}
	for range 1000 {
		require.NoError(b, q.Publish(ctx, m))
	}
	s, err := q.Open(ctx, queue.Options{Prefetch: 101})
	require.NoError(b, err)
	for range 100 {
		_, err = s.Receive(ctx)
		require.NoError(b, err)
	}
	batch := make([]queue.Settlement, 1)
	b.ReportAllocs()
	for b.Loop() {
		_ = q.Publish(ctx, m)
		batch[0].Delivery, _ = s.Receive(ctx)
		batch[0].Disposition = queue.Ack
		_ = s.Settle(ctx, batch)
	}
}

// BenchmarkReceiveSettle100 is receiving and acknowledging in batches of 100; the time is that of
// one message, publishing included.
func BenchmarkReceiveSettle100(b *testing.B) {
	ctx := context.Background()
	q := memory.New(memory.Config{})
	s, err := q.Open(ctx, queue.Options{Prefetch: 100})
	require.NoError(b, err)
	msgs := make([]queue.Message, 100)
	batch := make([]queue.Settlement, 100)
	for i := range msgs {
		msgs[i].ID = "m"
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%100 == 0 {
			_ = q.Publish(ctx, msgs...)
		}
		batch[i%100].Delivery, _ = s.Receive(ctx)
		batch[i%100].Disposition = queue.Ack
		if i%100 == 99 {
			_ = s.Settle(ctx, batch)
		}
	}
}
