package embedded

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

const benchPublishers = 100

// BenchmarkPublish measures confirmed messages of 100 concurrent publishers with Always and with
// Every, in turns, so that the machine's other work slows both. It reports the ratio.
func BenchmarkPublish(b *testing.B) {
	always := newBroker(b, b.TempDir(), Config{Sync: Always}).Queue("jobs")
	every := newBroker(b, b.TempDir(), Config{Sync: Every(time.Second)}).Queue("jobs")
	const turn = 20 // of each publisher
	var times [2]time.Duration
	var sent int
	for b.Loop() {
		times[0] += publishTurn(b, always, turn)
		times[1] += publishTurn(b, every, turn)
		sent += turn * benchPublishers
	}
	rate := func(d time.Duration) float64 { return float64(sent) / d.Seconds() }
	b.ReportMetric(rate(times[0]), "always/s")
	b.ReportMetric(rate(times[1]), "every/s")
	b.ReportMetric(rate(times[0])/rate(times[1]), "always:every")
}

// publishTurn returns the time in which each publisher publishes n messages, one after the other.
func publishTurn(t testing.TB, q queue.Publisher, n int) time.Duration {
	t.Helper()
	body := make([]byte, 1024)
	errs := make([]error, benchPublishers)
	start := time.Now()
	var all sync.WaitGroup
	for i := range benchPublishers {
		all.Go(func() {
			for range n {
				if errs[i] = q.Publish(context.Background(), queue.Message{Body: body}); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	for _, err := range errs {
		require.NoError(t, err)
	}
	return took
}
