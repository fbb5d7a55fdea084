package bench_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/cmd/gentask/internal/bench"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(jobs int) bench.Config {
	return bench.Config{
		Jobs: jobs, Size: 10, Publishers: 3, Batch: 7, Concurrency: 5, Logger: slog.New(slog.DiscardHandler),
	}
}

// TestRun measures each job once, and leaves the queue empty.
func TestRun(t *testing.T) {
	q := memory.New(memory.Config{Name: "q"})
	defer q.Close()
	cfg, told := config(1000), 0
	cfg.Progress = func(n int) { told += n }
	r, err := bench.Run(t.Context(), q, cfg)
	require.NoError(t, err)
	require.Equal(t, []int{1000, 1000, 1000}, []int{r.Published, r.Done, told})
	require.Positive(t, r.P50)
	require.LessOrEqual(t, r.P50, r.P99)
	require.LessOrEqual(t, r.P99, r.Max)
	require.LessOrEqual(t, r.Max, r.Took)
	require.LessOrEqual(t, r.Publishing, r.Took)
	stats, err := q.Inspect(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Ready+stats.Held+stats.DeadLettered)
}

// TestRun_Rate publishes no faster, and the messages then wait no more for each other.
func TestRun_Rate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{Name: "q"})
		defer q.Close()
		cfg := config(300)
		cfg.Rate = 100
		r, err := bench.Run(t.Context(), q, cfg)
		require.NoError(t, err)
		require.InDelta(t, 2.99, r.Publishing.Seconds(), 0.001)
		require.Less(t, r.Max, 10*time.Millisecond)
	})
}

// twice is a queue that delivers the first message twice.
type twice struct {
	*memory.Queue
	again atomic.Bool
}

func (q *twice) Publish(ctx context.Context, msgs ...queue.Message) error {
	if q.again.CompareAndSwap(false, true) {
		msgs = append(msgs, msgs[0])
	}
	return q.Queue.Publish(ctx, msgs...)
}

// TestRun_CountsAMessageOnce that the broker delivers twice, so all others are done at the end.
func TestRun_CountsAMessageOnce(t *testing.T) {
	q := &twice{Queue: memory.New(memory.Config{Name: "q"})}
	defer q.Close()
	r, err := bench.Run(t.Context(), q, config(100))
	require.NoError(t, err)
	require.Equal(t, 100, r.Done)
}

var errFull = errors.New("full")

// full is a queue that takes a part of the first messages, and then none.
type full struct{ *memory.Queue }

func (q *full) Publish(ctx context.Context, msgs ...queue.Message) error {
	if err := q.Queue.Publish(ctx, msgs[0]); err != nil {
		return err
	}
	failed := make([]queue.PublishFailure, len(msgs)-1)
	for i := range failed {
		failed[i] = queue.PublishFailure{ID: msgs[i+1].ID, Err: errFull}
	}
	return &queue.PublishError{Failed: failed}
}

// TestRun_EndsEarly with what it has measured, for a reason.
func TestRun_EndsEarly(t *testing.T) {
	q := &full{memory.New(memory.Config{Name: "q"})}
	defer q.Close()
	cfg := config(100)
	cfg.Publishers = 1
	r, err := bench.Run(t.Context(), q, cfg)
	require.ErrorIs(t, err, errFull)
	require.Equal(t, 1, r.Published)

	ctx, cancel := context.WithCancelCause(t.Context())
	cfg = config(1_000_000)
	cfg.Progress = func(int) { cancel(errFull) }
	r, err = bench.Run(ctx, q.Queue, cfg)
	require.ErrorIs(t, err, errFull)
	require.Positive(t, r.Done)
	require.Less(t, r.Done, cfg.Jobs)

	closed := memory.New(memory.Config{Name: "q"})
	closed.Close()
	_, err = bench.Run(t.Context(), closed, config(1))
	require.Error(t, err)
}

// late is a queue that confirms messages when their jobs were done.
type late struct{ *memory.Queue }

func (q *late) Publish(ctx context.Context, msgs ...queue.Message) error {
	return errors.Join(q.Queue.Publish(ctx, msgs...), q.WaitEmpty(ctx))
}

// TestRun_WaitsForTheConfirms too.
func TestRun_WaitsForTheConfirms(t *testing.T) {
	q := &late{memory.New(memory.Config{Name: "q"})}
	defer q.Close()
	r, err := bench.Run(t.Context(), q, config(100))
	require.NoError(t, err)
	require.Equal(t, []int{100, 100}, []int{r.Published, r.Done})
}
