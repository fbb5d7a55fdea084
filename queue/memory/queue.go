package memory

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Config says how a queue begins. The zero value is right.
type Config struct {
	// Name is the queue's name in errors and dead letters. Empty means "memory".
	Name string

	// Seed is where all randomness of the queue comes from: its faults and its message ids. Queues of one name and one seed draw alike.
	Seed uint64

	// Faults are in force from the start. The zero value is none.
	Faults Faults

	// Unique is how long a Message.UniqueKey is remembered. Zero means 2 minutes; -1 never, and a message with a key is refused then, with
	// queue.ErrUnsupported, as by a broker that can't.
	Unique time.Duration

	// Journal keeps an Entry of everything that happens, for Journal and Check. It grows without bound.
	Journal bool
}

// Queue is a queue inside the process; it is a queue.Source and a queue.Publisher. All methods are safe for concurrent use. Make one with
// New, and Close it when delayed messages may be left.
type Queue struct {
	cfg Config
	bad error // what is wrong with it

	mu       sync.Mutex
	rng      *rand.Rand
	faults   Faults
	changed  chan struct{} // closed when the faults change or the queue is closed, for those who wait for it
	closed   bool
	ready    levels
	delayed  delays
	keys     keys
	letters  letters
	sessions []*Session // the open ones, in the order of opening
	waiting  int        // how many of their Receives wait
	emptied  chan struct{}
	sequence uint64 // of the last message
	stats    Stats
	journal  []Entry
}

// item is a message in the queue, with what the next delivery will say of it.
type item struct {
	queue.Message
	attempt     int
	redelivered bool
	sequence    uint64 // of its publishing
	back        int    // which hand-out it has come back from, to the head; zero if it hasn't
	copied      bool   // made by the duplicate fault, which leaves it alone from now on
}

// New makes an empty queue. A cfg that makes no sense is an error of Open, Publish and Inspect: it wraps queue.ErrConfig and names every field
// that is not right.
func New(cfg Config) *Queue {
	bad := cfg.check()
	if cfg.Name == "" {
		cfg.Name = "memory"
	}
	if cfg.Unique == 0 {
		cfg.Unique = defaultUnique
	}
	name := fnv.New64a()
	_, _ = name.Write([]byte(cfg.Name)) // a hash takes everything
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

// WaitEmpty waits until every message that was published is acknowledged or dead-lettered: nothing is ready, delayed or held. It returns
// nil then, and ctx.Err() when ctx ends before.
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

// left returns how many messages are in the queue, in whatever state.
func (q *Queue) left() int { return q.ready.len() + q.delayed.Len() + q.stats.Held }

// tell wakes those who wait for an empty queue, when it is.
func (q *Queue) tell() {
	if q.emptied != nil && q.left() == 0 {
		close(q.emptied)
		q.emptied = nil
	}
}

// Close ends the queue as a broker does that shuts down: its sessions are lost, Open and Publish return queue.ErrClosed, and delayed
// messages stay delayed. What is in the queue can still be asked. A second Close does nothing.
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

// sleep waits for d. It returns ctx.Err() when ctx ends before, and nil at once when done is closed.
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
