package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
)

// scale asks for cliffs: what a job costs by how many are in flight, by how long its payload is,
// and by processors. Each point of a curve is compared with the one that everybody has.
func scale(o options) []comparison {
	var cases []comparison
	for _, n := range []int{1, 10, 1_000, 10_000, 100_000} {
		c := comparison{
			name: fmt.Sprintf("%d in flight", n), peer: "100 in flight", ours: blocking(o.few(n)), theirs: blocking(o.few(100)),
			record: []result.Unit{result.Time, result.Processor, result.Bytes, result.Allocs},
		}
		if n == 100_000 {
			c.claims = []claim{{unit: result.Time, target: 1.3}}
		}
		cases = append(cases, c)
	}
	cases = append(cases, comparison{
		name: "GOMAXPROCS 1", peer: fmt.Sprintf("GOMAXPROCS %d", min(2, runtime.NumCPU())),
		ours:   onProcessors(1, fromMemory(inFlight, small, noOp)),
		theirs: onProcessors(min(2, runtime.NumCPU()), fromMemory(inFlight, small, noOp)),
		record: []result.Unit{result.Time, result.Processor, result.Bytes, result.Allocs},
	})
	cases = o.sized().each("scale", 400_000, 200, cases)
	return append(cases, payloads(o)...)
}

// payloads compares the memory queue with messages of 64 B to 1 MiB. A gigabyte of bodies is no
// benchmark of ours, so there are fewer jobs.
func payloads(o options) []comparison {
	var cases []comparison
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10, 1 << 20} {
		cases = append(cases, comparison{
			name: "payload " + sizeName(size), peer: "payload 64 B", jobs: payloadJobs(20_000, size),
			ours: fromMemory(100, size, noOp), theirs: fromMemory(100, small, noOp),
			record: []result.Unit{result.Time, result.Processor, result.Bytes, result.Allocs},
		})
	}
	return o.sized().each("scale", 20_000, 20, cases)
}

// payloadJobs is how many messages of size bytes fit into 256 MiB, n at most.
func payloadJobs(n, size int) int { return min(n, 256<<20/size) }

func sizeName(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%d MiB", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d B", size)
}

// onProcessors runs s with GOMAXPROCS n.
func onProcessors(n int, s side) side {
	return func(ctx context.Context, t *trial) error {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
		return s(ctx, t)
	}
}

// blocking keeps n jobs in flight from the first to the last: each blocks until the n-th after it
// has started.
func blocking(n int) side {
	return func(ctx context.Context, t *trial) error {
		l := &line{most: min(n, t.jobs), left: t.jobs}
		return fromMemoryWith(patient(n), small, func(t *trial) gentask.Behavior {
			return gentask.Handle(func(ctx context.Context, body []byte) error {
				select {
				case <-l.join():
					t.tally.ran(body)
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
		})(ctx, t)
	}
}

// line lets the oldest go when it is full, and all when the last has come.
type line struct {
	mu      sync.Mutex
	most    int
	left    int // to come
	waiting []chan struct{}
}

// join returns a channel that is closed when it is this one's turn to go.
func (l *line) join() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.left--
	for len(l.waiting) >= l.most || (l.left == 0 && len(l.waiting) > 0) {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
	return turn
}
