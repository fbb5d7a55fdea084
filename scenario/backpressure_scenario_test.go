package scenario_test

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario15_BackPressure: 100,000 messages of 64 KiB wait, 6.4 GB in all, and 4 may run. At
// most 4 do, at most the prefetch is held, memory is bounded, and nothing is discarded.
func TestScenario15_BackPressure(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const (
			messages, size        = 100_000, 64 << 10
			concurrency, prefetch = 4, 8
			work, jobs            = time.Millisecond, 8_000
		)
		r.Source = &fatSource{r.Source, size}
		r.Publish(messages)
		before := heap()
		var started, worst atomic.Int64
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if n := started.Add(1); n%(jobs/8) == 0 {
				worst.Store(max(worst.Load(), heap()-before))
			}
			return rig.Pause(ctx, work)
		}), gentask.Config{Concurrency: concurrency, Prefetch: prefetch})
		time.Sleep(jobs / concurrency * work)
		r.Balanced()
		require.Equal(r, prefetch, r.Memory.Stats().MaxHeld)
		require.Equal(r, concurrency, r.Runs.Most())

		r.Stop(c)
		s := r.Memory.Stats()
		require.InDelta(r, jobs, s.Acked, 100)
		require.Equal(r, messages, s.Acked+s.Ready)
		require.Zero(r, s.DeadLettered+s.Requeued)
		t.Logf("the heap grew by %d KiB at the most, %d KiB were delivered", worst.Load()>>10, s.Delivered*size>>10)
		require.Less(r, worst.Load(), int64(jobs*books+10*prefetch*size))
	})
}

// books is what this test itself keeps of each job: events, journal, counts.
const books = 3 << 10

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
