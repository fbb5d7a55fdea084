package rabbitmq

import (
	"errors"
	"sync"
	"time"
)

// A quorum queue of RabbitMQ before 4.3 notifies each channel that it is full, and later that it is
// not. The second is missing if its limit was taken away, as with a policy: it then refuses that
// channel forever, and takes messages from others. So a channel that a queue has refused for a
// while is replaced.

// refusedFor is the time for which a queue may refuse all messages of a channel, before the next
// refusal makes the publisher open another connection.
const refusedFor = 2 * time.Second

// refusing notes since when queues have refused all messages of a channel, and whether the channel
// is in use. It is safe for concurrent use.
type refusing struct {
	mu      sync.Mutex
	since   map[string]time.Time // by the name of the queue
	calls   int                  // that are in flight
	retired bool
	idle    chan struct{} // closed when no call is in flight any more, and none can begin
}

func newRefusing() *refusing {
	return &refusing{since: make(map[string]time.Time), idle: make(chan struct{})}
}

// enter begins a call, and reports whether it may. It must not if the channel is retired.
func (r *refusing) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired {
		return false
	}
	r.calls++
	return true
}

// leave ends a call, with the results for its messages. It reports whether the channel should be
// retired.
func (r *refusing) leave(out []outgoing, errs []error) (stale bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
	r.rest()
	now := time.Now()
	for i, err := range errs {
		name := out[i].queue
		since, known := r.since[name]
		switch {
		case err == nil:
			delete(r.since, name)
		case !errors.Is(err, ErrNacked):
		case !known:
			r.since[name] = now
		case now.Sub(since) >= refusedFor:
			stale = true
		}
	}
	return stale
}

// retire lets no call begin any more.
func (r *refusing) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retired = true
	r.rest()
}

// rest closes idle when that is due. mu must be held.
func (r *refusing) rest() {
	if r.retired && r.calls == 0 {
		close(r.idle)
	}
}

// retire makes the next call open another connection, and closes this one after the calls that are
// in flight.
func (p *publisher) retire(conn *pubConn) {
	select {
	case p.turn <- struct{}{}:
	default:
		return // another call connects, or closes: the next refusal will do
	}
	defer func() { <-p.turn }()
	if p.closed.Load() || !p.current.CompareAndSwap(conn, nil) {
		return
	}
	conn.refusing.retire()
	p.retired.Go(func() {
		select {
		case <-conn.refusing.idle:
		case <-conn.dead:
		case <-p.ended:
		}
		conn.close()
	})
}
