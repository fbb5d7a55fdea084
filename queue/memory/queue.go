package memory

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Config configures a [Queue]. The zero value is valid.
type Config struct {
	// Name is the queue's name in errors and dead letters. Empty means "memory".
	Name string

	// Seed seeds all randomness of the queue: its faults and its message ids. Queues with the same
	// name and seed draw the same values.
	Seed uint64

	// Faults are the faults at the start. The zero value is none. See [Queue.SetFaults].
	Faults Faults

	// Unique is the window in which a [queue.Message.UniqueKey] is remembered. Zero means 2
	// minutes. With -1 there is none: a message whose key is taken [queue.UntilWindowEnds] is
	// refused with [queue.ErrUnsupported].
	Unique time.Duration

	// Isolates makes each session a [queue.Isolator].
	Isolates bool

	// Journal keeps an [Entry] of every event, for [Queue.Journal] and [Queue.Check]. The journal
	// grows without bound.
	Journal bool
}

// Queue is a queue inside the process; it is a [queue.Source] and a [queue.Publisher]. It must be
// made by [New]. Close it if delayed messages may be left, because they need a timer. All methods
// are safe for concurrent use.
type Queue struct {
	cfg Config
	bad error // what is wrong with it

	mu       sync.Mutex
	rng      *rand.Rand
	faults   Faults
	changed  chan struct{} // closed when the faults change or the queue is closed
	closed   bool
	ready    levels
	suspects ring[item] // at the place for suspects
	delayed  delays
	keys     keys
	locks    locks
	letters  letters
	sessions []*session // the open ones, in the order of opening
	waiting  int        // number of their Receives that wait
	emptied  chan struct{}
	sequence uint64 // of the last message
	stats    Stats
	journal  []Entry
}

// item is a message in the queue, with the fields of its next delivery.
type item struct {
	queue.Message
	attempt     int
	redelivered bool
	sequence    uint64 // of its publishing
	back        int    // number of the hand-out from which it has returned to the head; zero if it hasn't
	copied      bool   // made by Faults.Duplicate, and not to be copied again
}

// New makes an empty queue. A cfg that makes no sense is an error of Open, Publish and Inspect: it
// wraps queue.ErrConfig and names every field that is not right.
func New(cfg Config) *Queue {
	bad := cfg.check()
	if cfg.Name == "" {
		cfg.Name = "memory"
	}
	if cfg.Unique == 0 {
		cfg.Unique = defaultUnique
	}
	name := fnv.New64a()
	_, _ = name.Write([]byte(cfg.Name)) // Write of a hash never fails
	return &Queue{
		cfg:     cfg,
		bad:     bad,
		rng:     rand.New(rand.NewPCG(cfg.Seed, name.Sum64())), //nolint:gosec // faults have to repeat themselves
		faults:  cfg.Faults,
		changed: make(chan struct{}),
		keys:    keys{window: cfg.Unique},
	}
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.cfg.Name }

// System returns "memory", for [queue.SystemNamed].
func (*Queue) System() string { return "memory" }

// WaitEmpty waits until every message that was published is acknowledged or dead-lettered: nothing
// is ready, delayed or held. It returns nil then, and ctx.Err() when ctx ends before.
func (q *Queue) WaitEmpty(ctx context.Context) error {
	for {
		q.mu.Lock()
		if q.left() == 0 {
			q.mu.Unlock()
			return nil
		}
		if q.emptied == nil {
			q.emptied = make(chan struct{})
		}
		emptied := q.emptied
		q.mu.Unlock()
		select {
		case <-emptied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// left returns the number of messages in the queue, in any state.
func (q *Queue) left() int { return q.ready.len() + q.suspects.len() + q.delayed.Len() + q.stats.Held }

// tell wakes the calls of WaitEmpty if the queue is empty.
func (q *Queue) tell() {
	if q.emptied != nil && q.left() == 0 {
		close(q.emptied)
		q.emptied = nil
	}
}

// Close ends the queue as a broker does that shuts down. Its sessions are lost, Open and Publish
// return [queue.ErrClosed], and delayed messages stay delayed. The other methods still report its
// state. A second Close does nothing.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	for len(q.sessions) > 0 {
		q.sessions[0].lose()
	}
	q.delayed.stop()
	close(q.changed)
}

// sleep waits for d. It returns ctx.Err() if ctx ends before, and nil at once when done is closed.
func sleep(ctx context.Context, d time.Duration, done <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
