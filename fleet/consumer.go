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

	place       place
	followed    map[string]queue.Revision // the records that it follows, or refuses; nil before the first time
	unsubscribe func()
	counts      counts
}

func newConsumer(c *gentask.Consumer, node, instance string) *consumer {
	own := &consumer{Consumer: c, place: place{
		queue: c.Queue(), node: node, instance: instance, prefetch: c.Health().Prefetch,
	}}
	own.unsubscribe = c.Subscribe(own.counts.event)
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

// countFor is the period of the rates of [ConsumerStatus], in seconds.
const countFor = 10

// counts counts the jobs that have ended.
type counts struct {
	mu      sync.Mutex
	total   Counts
	seconds [countFor + 1]Counts // a ring: each second's own counts
	now     int64                // the second of the last event
}

// Counts are numbers of deliveries by how they ended.
type Counts struct {
	// Done is how many were acknowledged, Retried how many were requeued after a failure, and
	// DeadLettered how many were dead-lettered.
	Done         uint64 `json:"done"`
	Retried      uint64 `json:"retried"`
	DeadLettered uint64 `json:"dead_lettered"`
}

func (c *counts) event(ev gentask.Event) {
	if ev.Kind != gentask.EventDone {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(ev.Time)
	c.total.add(ev.Disposition)
	c.seconds[c.now%int64(len(c.seconds))].add(ev.Disposition)
}

func (n *Counts) add(d queue.Disposition) {
	switch d {
	case queue.Ack:
		n.Done++
	case queue.Requeue:
		n.Retried++
	case queue.DeadLetter:
		n.DeadLettered++
	case queue.Release:
	}
}

// turn clears the seconds that have begun since the last call.
func (c *counts) turn(now time.Time) {
	second := now.Unix()
	for at := max(c.now+1, second-int64(len(c.seconds))+1); at <= second; at++ {
		c.seconds[at%int64(len(c.seconds))] = Counts{}
	}
	c.now = max(c.now, second)
}

// read returns the counts since the begin, and those of the last ten whole seconds.
func (c *counts) read(now time.Time) (total, recent Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	for i, n := range c.seconds {
		if int64(i) != c.now%int64(len(c.seconds)) {
			recent.Done += n.Done
			recent.Retried += n.Retried
			recent.DeadLettered += n.DeadLettered
		}
	}
	return c.total, recent
}
