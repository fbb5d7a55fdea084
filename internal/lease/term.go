package lease

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Term is one lease, from its beginning until it is lost, or until it has no user.
type Term struct {
	keeper *Keeper
	id     string
	users  int           // guarded by the keeper's mutex
	wake   chan struct{} // the last user has gone

	ctx    context.Context // ends before others can take what is held
	cancel context.CancelCauseFunc

	sent     atomic.Pointer[moment] // before the last renewal that the store has confirmed
	revision queue.Revision         // of the goroutine that renews
}

// ID identifies the lease in records of what is held.
func (t *Term) ID() string { return t.id }

// Context ends, with [ErrLost] or [ErrClosed] as its cause, before others can take what the term's
// users hold.
func (t *Term) Context() context.Context { return t.ctx }

// Release must be called once for each Take. The last one ends the term, and its record is removed.
func (t *Term) Release() {
	k := t.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	t.users--
	if t.users > 0 {
		return
	}
	if k.term == t {
		k.term = nil
	}
	t.wake <- struct{}{}
}

// start begins to renew. The keeper's mutex is held.
func (t *Term) start(sent moment, revision queue.Revision) {
	t.sent.Store(&sent)
	t.revision = revision
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.keeper.work.Go(t.run)
}

// run renews the lease until it is lost, or not used any more.
func (t *Term) run() {
	defer t.cancel(ErrLost)
	defer context.AfterFunc(t.keeper.life, func() { t.cancel(ErrClosed) })()
	for t.left() > 0 {
		select {
		case <-t.wake:
			t.remove()
			return
		case <-t.keeper.patience.Done():
			return
		case <-time.After(min(t.left(), t.keeper.ttl/renewals)):
		}
		if !t.renew() {
			return
		}
	}
}

// left returns how long the holder may be sure that it has the lease.
func (t *Term) left() time.Duration {
	return t.keeper.ttl - t.keeper.ttl/margins - t.sent.Load().age()
}

// live reports whether the lease lasts. It looks at the time itself: after a process was frozen,
// its goroutines run before the context has ended.
func (t *Term) live() bool { return t.ctx.Err() == nil && t.left() > 0 }

// renew renews the lease. It returns false if another program has ended it.
func (t *Term) renew() (goesOn bool) {
	ctx, cancel := context.WithTimeout(t.keeper.patience, t.left())
	defer cancel()
	for ctx.Err() == nil {
		sent := now()
		revision, err := t.keeper.putLease(ctx, t.id, t.revision)
		if err == nil {
			t.sent.Store(&sent)
			t.revision = revision
			return true
		}
		if !t.find(ctx, err) {
			return false
		}
		wait(ctx, again)
	}
	return true // run finds out whether it is over
}

// find looks for the revision of the record after a renewal that failed. It returns false if there
// is no record. Only this program writes it, so any revision is one of its renewals.
func (t *Term) find(ctx context.Context, failed error) (found bool) {
	if !guard.Is(failed, queue.ErrConflict) && !guard.Is(failed, queue.ErrUncertain) {
		return true
	}
	record, err := t.keeper.store.Get(ctx, leaseKey(t.id))
	if err == nil {
		t.revision = record.Revision
	}
	return !guard.Is(err, queue.ErrNoRecord)
}

// remove removes the record, if that is possible before the others take it for over anyway.
func (t *Term) remove() {
	t.cancel(context.Canceled)
	ctx, cancel := context.WithTimeout(context.Background(), max(0, t.left()))
	defer cancel()
	_ = t.keeper.store.Delete(ctx, leaseKey(t.id), queue.Always) // else its time ends it
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
