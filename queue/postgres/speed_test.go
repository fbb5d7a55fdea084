package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// BenchmarkConsume claims and settles messages of 256 bytes, with many of them in flight. What has
// come meanwhile is settled together, as the consumer does.
func BenchmarkConsume(b *testing.B) {
	for _, c := range []struct {
		name     string
		prefetch int
		held     bool // a transaction that began before
	}{{"100", 100, false}, {"1000", 1000, false}, {"held", 100, true}} {
		b.Run(c.name, func(b *testing.B) {
			q := newBroker(b, url(), postgres.Config{Schema: newSchema(b)}).Queue("q")
			if c.held {
				tx, err := newPool(b, url()).BeginTx(b.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
				require.NoError(b, err)
				_, err = tx.Exec(b.Context(), "SELECT pg_current_xact_id()")
				require.NoError(b, err)
				b.Cleanup(func() { require.NoError(b, tx.Rollback(context.Background())) })
			}
			msgs := make([]queue.Message, b.N)
			for i := range msgs {
				msgs[i].Body = make([]byte, 256)
			}
			for len(msgs) > 0 {
				n := min(len(msgs), 5000)
				require.NoError(b, q.Publish(b.Context(), msgs[:n]...))
				msgs = msgs[n:]
			}
			s := open(b, q, c.prefetch)
			var mu sync.Mutex
			var batch []queue.Settlement
			more, done := make(chan struct{}, 1), make(chan error, 1)
			b.ResetTimer()
			go func() {
				for n := 0; n < b.N; {
					<-more
					mu.Lock()
					now := batch
					batch = nil
					mu.Unlock()
					if err := s.Settle(b.Context(), now); err != nil {
						done <- err
						return
					}
					n += len(now)
				}
				done <- nil
			}()
			for range b.N {
				d, err := s.Receive(b.Context())
				require.NoError(b, err)
				mu.Lock()
				batch = append(batch, queue.Settlement{Delivery: d, Disposition: queue.Ack})
				mu.Unlock()
				select {
				case more <- struct{}{}:
				default:
				}
			}
			require.NoError(b, <-done)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkPublish publishes one message, and a thousand, in a transaction of their own.
func BenchmarkPublish(b *testing.B) {
	q := newBroker(b, url(), postgres.Config{Schema: newSchema(b)}).Queue("q")
	for _, c := range []struct {
		name string
		n    int
	}{{"1", 1}, {"1000", 1000}} {
		msgs := make([]queue.Message, c.n)
		for i := range msgs {
			msgs[i].Body = make([]byte, 256)
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, q.Publish(b.Context(), msgs...))
			}
		})
	}
}
