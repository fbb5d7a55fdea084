package gentask_test

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario15_BackPressure: 100,000 messages of 64 KiB, 6.4 GB in all, and concurrency 4. At most 4 run, at most the prefetch is held, memory
// is bounded, and nothing is discarded.
func TestScenario15_BackPressure(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, size, concurrency, prefetch = 100_000, 64 << 10, 4, 8
		r.Source = &fatSource{r.Source, size}
		r.Publish(jobs)
		before := heap()
		var done, worst atomic.Int64
		r.Start(r.Handle(func(context.Context, string) error {
			if n := done.Add(1); n%(jobs/8) == 0 {
				worst.Store(max(worst.Load(), heap()-before))
			}
			return nil
		}), gentask.Config{Concurrency: concurrency, Prefetch: prefetch})
		r.Finish()
		require.LessOrEqual(r, r.Runs.Most(), concurrency)
		require.LessOrEqual(r, r.Memory.Stats().MaxHeld, prefetch)
		require.Equal(r, jobs, r.Memory.Stats().Acked)
		require.Equal(r, jobs, r.Runs.Total())
		t.Logf("the heap grew by %d KiB at the most", worst.Load()>>10)
		require.Less(r, worst.Load(), int64(jobs)*books+100*prefetch*size)
	})
}

// books is what this test itself keeps of each job: events, journal, counts.
const books = 2 << 10

// heap returns how much is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // it fits
}

// fatSource gives each delivery a body of its own.
type fatSource struct {
	queue.Source
	size int
}

func (s *fatSource) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	session, err := s.Source.Open(ctx, opts)
	return &fatSession{session, s.size}, err
}

type fatSession struct {
	queue.Session
	size int
}

func (s *fatSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
	if err == nil {
		d.Body = append(make([]byte, 0, s.size), strconv.Quote(d.ID)...)
	}
	return d, err
}
