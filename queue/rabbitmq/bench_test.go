package rabbitmq

import (
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// BenchmarkConsume compares three ways to run no-op jobs in a goroutine each. The first is the bare
// client that acknowledges each delivery. The second is the bare client with the settled prefix
// flushed by a timer, which is the least possible work. The third is a session that is settled in
// batches as they come up. Only the consumption is timed. Compare runs that follow each other.
func BenchmarkConsume(b *testing.B) {
	for _, kind := range []QueueType{Quorum, Classic} {
		b.Run(string(kind)+"/p1000/bare", func(b *testing.B) { benchConsume(b, kind, 1000, consumeBare) })
		b.Run(string(kind)+"/p1000/ideal", func(b *testing.B) { benchConsume(b, kind, 1000, consumeIdeal) })
		b.Run(string(kind)+"/p1000/session", func(b *testing.B) { benchConsume(b, kind, 1000, consumeSession) })
	}
}

func benchConsume(b *testing.B, kind QueueType, prefetch int, consume func(*testing.B, *Queue, int)) {
	q := newQueue(b, Config{Type: kind})
	msgs := make([]queue.Message, b.N)
	for i := range msgs {
		msgs[i].Body = make([]byte, 256)
	}
	require.NoError(b, q.Publish(b.Context(), msgs...))
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	consume(b, q, prefetch)
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "jobs/s")
	b.StopTimer()
}

// consumeBare is the way without a library.
func consumeBare(b *testing.B, q *Queue, prefetch int) {
	ch, deliveries := bare(b, q, prefetch)
	var wg sync.WaitGroup
	for range b.N {
		d := <-deliveries
		wg.Go(func() { _ = d.Ack(false) })
	}
	wg.Wait()
	require.NoError(b, ch.Close())
}

// consumeIdeal is the least possible work: a bit for each delivery, and the settled prefix once in
// a millisecond.
func consumeIdeal(b *testing.B, q *Queue, prefetch int) {
	ch, deliveries := bare(b, q, prefetch)
	var mu sync.Mutex
	var p prefix
	var jobs, flusher sync.WaitGroup
	stop := make(chan struct{})
	flush := func() {
		mu.Lock()
		frames := p.flush(nil, thePrefix, b.N)
		mu.Unlock()
		for _, f := range frames {
			_ = ch.Ack(f.tag, f.kind == ackUpTo)
		}
	}
	flusher.Go(func() {
		tick := time.NewTicker(linger)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				flush()
			case <-stop:
				flush()
				return
			}
		}
	})
	for range b.N {
		d := <-deliveries
		mu.Lock()
		p.hold(heldAs(d.DeliveryTag))
		mu.Unlock()
		jobs.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			p.ack(d.DeliveryTag)
		})
	}
	jobs.Wait()
	close(stop)
	flusher.Wait()
	require.NoError(b, ch.Close())
}

// bare consumes q with the client alone.
func bare(b *testing.B, q *Queue, prefetch int) (*amqp.Channel, <-chan amqp.Delivery) {
	conn, err := amqp.Dial(brokertest.RabbitMQ(b))
	require.NoError(b, err)
	b.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	require.NoError(b, err)
	require.NoError(b, ch.Qos(prefetch, 0, false))
	deliveries, err := ch.Consume(q.name, "", false, false, false, false, nil)
	require.NoError(b, err)
	return ch, deliveries
}

// consumeSession settles as a consumer does: one goroutine takes what has come up since its last
// call.
func consumeSession(b *testing.B, q *Queue, prefetch int) {
	s, err := q.Open(b.Context(), queue.Options{Prefetch: prefetch})
	require.NoError(b, err)
	done := make(chan *queue.Delivery, prefetch)
	var wg sync.WaitGroup
	wg.Go(func() { settleAll(b, s, done, b.N) })
	for range b.N {
		d, err := s.Receive(b.Context())
		require.NoError(b, err)
		go func() { done <- d }()
	}
	wg.Wait()
	require.NoError(b, s.Close(b.Context()))
}

// settleAll acknowledges n deliveries in batches as they come up.
func settleAll(b *testing.B, s queue.Session, done <-chan *queue.Delivery, n int) {
	var batch []queue.Settlement
	for n > 0 {
		batch = append(batch[:0], queue.Settlement{Delivery: <-done, Disposition: queue.Ack})
		for len(done) > 0 {
			batch = append(batch, queue.Settlement{Delivery: <-done, Disposition: queue.Ack})
		}
		if err := s.Settle(b.Context(), batch); err != nil {
			b.Error(err)
			return
		}
		n -= len(batch)
	}
}
