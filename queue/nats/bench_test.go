package nats_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// The two benchmarks do the same work with the same server: they receive and acknowledge waiting
// messages, with a prefetch of 1,000.
const (
	benchPrefetch = 1000
	benchBody     = 256
)

func BenchmarkSession(b *testing.B) {
	q := filled(b)
	s := newSession(b, q, benchPrefetch)
	b.ReportAllocs()
	b.ResetTimer()
	acks := make(chan *queue.Delivery, benchPrefetch)
	done := make(chan error, 1)
	go func() { done <- settleAll(b, s, acks) }()
	for range b.N {
		d, err := s.Receive(b.Context())
		require.NoError(b, err)
		acks <- d
	}
	close(acks)
	require.NoError(b, <-done)
	b.StopTimer()
}

// settleAll acknowledges in one batch the deliveries that have come in meanwhile, as a consumer
// does.
func settleAll(b *testing.B, s queue.Session, acks <-chan *queue.Delivery) error {
	var batch []queue.Settlement
	for d := range acks {
		batch = append(batch[:0], queue.Settlement{Delivery: d, Disposition: queue.Ack})
		for len(acks) > 0 {
			batch = append(batch, queue.Settlement{Delivery: <-acks, Disposition: queue.Ack})
		}
		if err := s.Settle(b.Context(), batch); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkBareClient(b *testing.B) {
	q := filled(b)
	js := bare(b, "nats://"+standard)
	c, err := js.CreateConsumer(b.Context(), q.Name(), jetstream.ConsumerConfig{
		Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: benchPrefetch,
	})
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	acks := make(chan jetstream.Msg, benchPrefetch)
	messages, err := c.Consume(func(m jetstream.Msg) { acks <- m }, jetstream.PullMaxMessages(benchPrefetch))
	require.NoError(b, err)
	for range b.N {
		require.NoError(b, (<-acks).Ack())
	}
	require.NoError(b, js.Conn().Flush())
	b.StopTimer()
	messages.Stop()
}

// filled returns a queue of b.N messages.
func filled(b *testing.B) *nats.Queue {
	b.Helper()
	q := newQueue(b, "nats://"+standard, nats.Config{})
	msgs := make([]queue.Message, b.N)
	for i := range msgs {
		msgs[i].Body = make([]byte, benchBody)
	}
	require.NoError(b, q.Publish(b.Context(), msgs...))
	return q
}
