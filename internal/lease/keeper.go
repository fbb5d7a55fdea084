package lease

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Keeper keeps the lease of one program while it holds something. It must be made by [NewKeeper],
// and be closed. Its methods are safe for concurrent use.
type Keeper struct {
	store queue.Store
	cfg   Config
	ttl   time.Duration
	sight sight
	work  sync.WaitGroup

	life     context.Context // ends with Close
	end      context.CancelFunc
	patience context.Context // ends when Close does not wait any longer
	giveUp   context.CancelFunc

	mu     sync.Mutex
	term   *Term           // the present one; nil if nothing is held
	taking *taking         // of the term that is being taken; nil if none is
	turns  map[string]bool // of what is held, or being taken
}

// taking is a term that is being taken, for several users perhaps.
type taking struct {
	users int
	over  chan struct{} // closed when the term is there, or has failed
	term  *Term         // nil if it has failed
}

// NewKeeper returns a keeper for one program, in a store with these facts. It takes no lease.
func NewKeeper(store queue.Store, facts queue.StoreFacts, cfg Config) *Keeper {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{
		store: store, cfg: cfg, ttl: cfg.ttl(facts.MinLease), sight: sight{store: store}, turns: map[string]bool{},
	}
	k.life, k.end = context.WithCancel(context.Background())
	k.patience, k.giveUp = context.WithCancel(context.Background())
	return k
}

// Close ends the contexts of everything that is held, with [ErrClosed] as their cause. It waits
// until all of it was released, and the lease is removed. When ctx ends before, the lease is
// renewed no more, and its time ends it.
func (k *Keeper) Close(ctx context.Context) {
	k.end()
	defer context.AfterFunc(ctx, k.giveUp)()
	k.work.Wait()
	k.giveUp()
}

// Take returns the present term, or a new one if there is none. The caller must release it. It
// waits for the store, and returns its error, or that of ctx.
func (k *Keeper) Take(ctx context.Context) (*Term, error) {
	for {
		k.mu.Lock()
		if k.life.Err() != nil {
			k.mu.Unlock()
			return nil, ErrClosed
		}
		if t := k.term; t != nil && t.ctx.Err() == nil {
			t.users++
			k.mu.Unlock()
			return t, nil
		}
		if k.taking == nil {
			k.taking = &taking{users: 1, over: make(chan struct{})}
			k.mu.Unlock()
			return k.begin(ctx)
		}
		taken := k.taking
		taken.users++
		k.mu.Unlock()
		if t, err := k.join(ctx, taken); t != nil || err != nil {
			return t, err
		}
	}
}

// join waits for a term that another user takes. It returns neither if that has failed.
func (k *Keeper) join(ctx context.Context, taken *taking) (*Term, error) {
	select {
	case <-taken.over:
		return taken.term, nil
	case <-ctx.Done():
	}
	k.mu.Lock()
	taken.users--
	t := taken.term
	k.mu.Unlock()
	if t != nil {
		t.Release() // it has come meanwhile
	}
	return nil, context.Cause(ctx)
}

// begin takes a new lease, for all that wait for it.
func (k *Keeper) begin(ctx context.Context) (*Term, error) {
	t := &Term{keeper: k, id: rand.Text(), wake: make(chan struct{}, 1)}
	sent := now()
	revision, err := k.putLease(ctx, t.id, queue.Absent)
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.taking
	k.taking = nil
	defer close(taken.over)
	if err != nil {
		return nil, err // if it was written all the same, its time ends it
	}
	if k.life.Err() != nil {
		return nil, ErrClosed
	}
	t.users = taken.users
	t.start(sent, revision)
	k.term, taken.term = t, t
	return t, nil
}

// putLease writes the record of a lease.
func (k *Keeper) putLease(ctx context.Context, id string, condition queue.Revision) (queue.Revision, error) {
	value := encode(leaseRecord{Node: k.cfg.Node, TTL: k.ttl.Milliseconds()})
	return k.store.Put(ctx, leaseKey(id), value, condition, keeps*k.ttl)
}

// enter notes the turn of something that is about to be taken.
func (k *Keeper) enter(turn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turns[turn] = true
}

// leave notes that nothing is held by a turn any more.
func (k *Keeper) leave(turn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.turns, turn)
}

// isNamed reports whether a record refers to the present lease of this program.
func (k *Keeper) isNamed(value []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.term != nil && bytes.Contains(value, []byte(k.term.id))
}

// isIn reports whether the present lease of this program has a part.
func (k *Keeper) isIn(p parts) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.term == nil {
		return false
	}
	_, found := p[k.term.id]
	return found
}

// isStray reports whether h refers to the present lease of this program, which does not hold it: a
// write that was taken for lost has come late.
func (k *Keeper) isStray(h holding) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.term != nil && k.term.id == h.Lease && !k.turns[h.Turn]
}
