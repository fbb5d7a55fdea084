package memory

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Broker is one program's connection to a broker inside the process, which keeps stores and buses:
// the executable specification of [queue.Store] and [queue.Bus]. It must be made by [NewBroker];
// [Broker.Connect] connects further programs. It has no goroutine but those of [queue.Bus.Answer],
// and needs no closing. All methods are safe for concurrent use.
//
// A test in a synctest bubble must create the broker inside the bubble.
type Broker struct {
	kept *kept
	line *line
}

// kept is what all connections of a broker share.
type kept struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	rooms   map[string]*room
}

// NewBroker makes an empty broker, and the first connection to it.
func NewBroker() *Broker {
	return (&Broker{kept: &kept{buckets: map[string]*bucket{}, rooms: map[string]*room{}}}).Connect()
}

// Connect returns another connection to the same broker, as another program has it.
func (b *Broker) Connect() *Broker {
	return &Broker{kept: b.kept, line: &line{changed: make(chan struct{})}}
}

// Store returns the store of that name, which is made if need be. Stores of one name have the same
// records, through any connection; each is closed by itself. The error wraps [queue.ErrConfig] if
// the name is not valid, and [queue.ErrUnavailable] while the connection is cut.
func (b *Broker) Store(ctx context.Context, name string) (queue.Store, error) {
	if err := b.ready(ctx, name); err != nil {
		return nil, err
	}
	b.kept.mu.Lock()
	defer b.kept.mu.Unlock()
	found := b.kept.buckets[name]
	if found == nil {
		found = newBucket()
		b.kept.buckets[name] = found
	}
	return &store{bucket: found, line: b.line, closed: make(chan struct{})}, nil
}

// Bus returns the bus of that name. Buses of one name see each other, through any connection; each
// is closed by itself. Its errors are those of Store.
func (b *Broker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	if err := b.ready(ctx, name); err != nil {
		return nil, err
	}
	b.kept.mu.Lock()
	defer b.kept.mu.Unlock()
	found := b.kept.rooms[name]
	if found == nil {
		found = &room{answerers: map[*answerer]struct{}{}}
		b.kept.rooms[name] = found
	}
	return &bus{room: found, line: b.line, closed: make(chan struct{}), own: map[*answerer]struct{}{}}, nil
}

func (b *Broker) ready(ctx context.Context, name string) error {
	if err := queue.CheckSeamName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.line.err()
}

// Cut cuts this connection, as a network fault does. Until [Broker.Restore], the stores and buses
// that were opened by way of it return [queue.ErrUnavailable], their watches are silent, and their
// functions answer no question.
func (b *Broker) Cut() { b.line.set(true) }

// Restore ends a Cut. The watches catch up.
func (b *Broker) Restore() { b.line.set(false) }

// LoseAnswers makes the next n writes by way of this connection return [queue.ErrUncertain] after
// they were applied. It replaces the number of an earlier call.
func (b *Broker) LoseAnswers(n int) {
	b.line.mu.Lock()
	defer b.line.mu.Unlock()
	b.line.losing = n
}

// Wipe makes all stores again, empty and with another incarnation, as a broker does that has lost
// its disk.
func (b *Broker) Wipe() {
	b.kept.mu.Lock()
	defer b.kept.mu.Unlock()
	for _, one := range b.kept.buckets {
		one.wipe()
	}
}

// line is the state of one connection.
type line struct {
	mu      sync.Mutex
	down    bool
	changed chan struct{} // closed when down changes
	losing  int           // answers that are still to be lost
}

// set changes the state of the connection.
func (l *line) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down == down {
		return
	}
	l.down = down
	close(l.changed)
	l.changed = make(chan struct{})
}

// state returns whether the connection is cut, and a channel that is closed when that changes.
func (l *line) state() (down bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down, l.changed
}

func (l *line) err() error {
	if down, _ := l.state(); down {
		return queue.ErrUnavailable
	}
	return nil
}

// answer returns the error of a write that was applied.
func (l *line) answer() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.losing == 0 {
		return nil
	}
	l.losing--
	return queue.ErrUncertain
}

// isOver reports whether a channel is closed.
func isOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Times and sizes of stores and buses.
const (
	alive    = 2 * time.Second // between two queue.ChangeAlive
	maxValue = 1 << 20         // of a record, a question or an answer, in bytes
	minLease = time.Second
)
