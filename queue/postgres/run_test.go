package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// Jobs that fail, panic and hang on their first attempts are all done in the end, with two
// consumers and a session that is lost on the way; what can't be done is a dead letter.
func TestConsumer(t *testing.T) {
	t.Parallel()
	const jobs = 120
	schema := newSchema(t)
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue(schema)
	msgs := make([]queue.Message, jobs)
	for i := range msgs {
		msgs[i] = queue.Message{ID: fmt.Sprint(i), Body: fmt.Appendf(nil, "%d", i)}
	}
	require.NoError(t, q.Publish(t.Context(), msgs...))
	var mu sync.Mutex
	done := map[int]int{}
	behavior := gentask.Handle(func(ctx context.Context, n int) error {
		mu.Lock()
		defer mu.Unlock()
		done[n]++
		switch {
		case n%10 == 7:
			return gentask.DeadLetter(errors.New("hopeless"))
		case done[n] > 1:
			return nil
		case n%3 == 0:
			return errors.New("not yet")
		case n%3 == 1:
			panic("not yet")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := gentask.Config{
		Prefetch: 10, Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 20 * time.Millisecond, Max: 50 * time.Millisecond}},
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _ = gentask.Run(ctx, q, behavior, cfg) }) // ends with ctx
	}
	exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'gentask lease ' || $1 || '%'`,
		schema)
	require.Eventually(t, func() bool {
		s, err := q.Inspect(ctx)
		return err == nil && s.Left() == 0
	}, 50*time.Second, 20*time.Millisecond)
	cancel()
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, done, jobs)
	require.Equal(t, jobs/10, count(t, q).DeadLettered)
}
