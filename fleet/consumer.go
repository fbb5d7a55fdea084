package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// consumer is a consumer of a node, its place, and the counts of its jobs.
type consumer struct {
	*gentask.Consumer

	place    place
	followed map[string]queue.Revision // the records that it follows, or refuses; nil before the first time
	samples  samples
	latency  latencies
}

func newConsumer(c *gentask.Consumer, node, instance string) *consumer {
	h := c.Health()
	own := &consumer{Consumer: c, place: place{
		queue: c.Queue(), node: node, instance: instance, prefetch: h.Prefetch,
	}}
	own.samples.fill(countsOf(&h))
	return own
}

// follow makes the consumer follow o. A consumer that is slow to answer follows when it can, which
// is no error.
func (c *consumer) follow(ctx context.Context, o gentask.Overrides) ([]gentask.OverrideChange, error) {
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	changes, err := c.Override(ctx, o)
	if guard.Is(err, context.DeadlineExceeded) || guard.Is(err, context.Canceled) {
		return nil, nil
	}
	return changes, err
}

// Counts are numbers of deliveries by how they ended.
type Counts struct {
	// Done is how many were acknowledged, Retried how many were requeued for another attempt, and
	// DeadLettered how many were dead-lettered.
	Done         uint64 `json:"done"`
	Retried      uint64 `json:"retried"`
	DeadLettered uint64 `json:"dead_lettered"`
}

func (n Counts) since(earlier Counts) Counts {
	return Counts{n.Done - earlier.Done, n.Retried - earlier.Retried, n.DeadLettered - earlier.DeadLettered}
}

const (
	// sampleEvery is the time between two samples of the counts, and mostSamples how many are kept:
	// those of ten seconds.
	sampleEvery = time.Second
	mostSamples = 10
)

// samples are the counts of the last seconds.
type samples struct {
	mu   sync.Mutex
	ring [mostSamples]Counts
	next int
}

// fill makes all samples equal.
func (s *samples) fill(now Counts) {
	for range s.ring {
		s.add(now)
	}
}

func (s *samples) add(now Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring[s.next] = now
	s.next = (s.next + 1) % mostSamples
}

func (s *samples) oldest() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring[s.next]
}

func countsOf(h *gentask.Health) Counts { return Counts{h.Done, h.Retried, h.DeadLettered} }

// sample records how many jobs have ended by now.
func (c *consumer) sample() {
	h := c.Health()
	c.samples.add(countsOf(&h))
}
