package gentask

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/memo"
	"github.com/gentask/gentask/task"
)

// Dedup acknowledges a job that was done before, and whose acknowledgement was lost with its session or its process, without running it again.
//
// A job is done when its run has returned without an error, and the decision was Ack. That is remembered before the acknowledgement is sent, and not
// by the ID alone: two messages with the same ID are two jobs, told apart by the time when they were published, by their bodies, and by
// queue.Delivery.Sequence. Only a delivery that the broker calls redelivered is looked up, and none that comes again because it was requeued,
// snoozed or released: a job that has failed is not done. The EventDone of one that is done has the settlement queue.Ack, no Outcome, and the
// reason ErrDuplicate; HandleResult is not asked.
//
// It makes the window smaller, and doesn't close it: a process that dies between the end of a run and Store.Remember runs the job again.
type Dedup struct {
	// Remember is how many jobs the consumer remembers by itself: the last ones that were done. It forgets them with its process. Zero means none,
	// and with a Store 1000; -1 none.
	Remember int

	// Store remembers for longer, and for other nodes. It may be nil.
	Store DedupStore
}

// DedupStore remembers which jobs are done: a table or a cache, with an expiry of more than messages live. Its methods are called
// concurrently, in tasks and in goroutines of the consumer's, never in the actor; each call has 3 s, and counts as failed then. If one fails,
// panics or calls runtime.Goexit, that is an EventDedupFailed and an error in the log, and nothing else: what can't be looked up runs, and
// what can't be remembered is acknowledged.
type DedupStore interface {
	// Done reports whether the job is done. The key is the same for every delivery of a message, at every node, and at most 160 bytes long: the
	// message's ID (beyond 64 bytes its beginning and a hash), "@", the time when it was published in RFC 3339 with nanoseconds and in UTC,
	// nothing if that is unknown, "+" and queue.Delivery.Sequence, if the broker has one, "#", and 16 hexadecimal digits of the SHA-256 of its body.
	Done(ctx context.Context, key string) (bool, error)
	// Remember notes that the job with the key is done. It is acknowledged when Remember has returned.
	Remember(ctx context.Context, key string) error
}

// storeTime is how long a call of a DedupStore may take.
const storeTime = 3 * time.Second

// defaultRemember is what is remembered besides a Store, so that a job that is redelivered while the store is being told is found.
const defaultRemember = 1000

func (r Dedup) check() error {
	return unfitIf(r.Remember < never, "Remember", r.Remember, "0 for none, or with a Store 1000, -1 for none, or more")
}

// dedup is what a consumer knows of finished jobs. It outlives its ledgers. A nil one is off.
type dedup struct {
	done   *memo.Memo[identity, struct{}]
	failed *memo.Memo[identity, bool] // given back here since: whoever remembers it means another
	store  DedupStore
	wg     sync.WaitGroup // calls of store.Remember
}

func newDedup(r Dedup) *dedup {
	remember := max(r.Remember, 0)
	switch {
	case r.Store == nil && remember == 0:
		return nil
	case r.Store != nil && r.Remember == 0:
		remember = defaultRemember
	}
	return &dedup{done: memo.New[identity, struct{}](remember), failed: memo.New[identity, bool](defaultRemember), store: r.Store}
}

// unless makes a run of f that does nothing but acknowledge if the job is done.
func (r *dedup) unless(e *entry, f func(context.Context) (any, error)) func(context.Context) (any, error) {
	if r == nil || !e.mayBeDone() {
		return f
	}
	return func(ctx context.Context) (any, error) {
		e.looksUp(true)
		if !r.knows(ctx, e) {
			e.looksUp(false)
			return f(ctx)
		}
		e.markDuplicate()
		_ = e.settle(Ack(), ErrDuplicate) // or lost: then it comes again
		return nil, ErrDuplicate
	}
}

// knows is asked in the job's task.
func (r *dedup) knows(ctx context.Context, e *entry) bool {
	if failed, _ := r.failed.Get(e.item.Identity); failed {
		return false
	}
	if _, done := r.done.Get(e.item.Identity); done || r.store == nil {
		return done
	}
	key := storeKey(e.delivery)
	done, err := guard.Call(ctx, e.cfg.hooks.done, func(ctx context.Context) (bool, error) { return r.store.Done(ctx, key) })
	switch {
	case err == nil:
		return done
	case !e.stopped(): // else it was told to stop while it asked
		e.storeFailed("Done", err)
	}
	return false
}

// note remembers that the job is done, if d says so after a run that was; one that is to be tried again is not. It is called with e.mu held, when d
// is taken, or too late.
func (r *dedup) note(e *entry, d Decision) {
	switch {
	case r == nil || e.duplicate:
		return
	case d.kind != decideAck:
		if e.task != nil && !e.looking && !e.lost {
			r.failed.Put(e.item.Identity, true)
		}
		return
	}
	if e.learn(); e.status != task.OK {
		return
	}
	r.done.Put(e.item.Identity, struct{}{})
	if failed, _ := r.failed.Get(e.item.Identity); failed {
		r.failed.Put(e.item.Identity, false)
	}
	switch {
	case r.store == nil:
	case e.lost:
		r.save(e, func() {})
	default:
		e.unsaved = true
	}
}

// save tells the store, and then calls saved.
func (r *dedup) save(e *entry, saved func()) {
	r.wg.Go(func() {
		defer saved()
		key := storeKey(e.delivery)
		_, err := guard.Call(context.Background(), e.cfg.hooks.remember, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, r.store.Remember(ctx, key)
		})
		if err != nil {
			e.storeFailed("Remember", err)
		}
	})
}

// wait returns when the store has been told everything.
func (r *dedup) wait() {
	if r != nil {
		r.wg.Wait()
	}
}
