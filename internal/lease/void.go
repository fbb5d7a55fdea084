package lease

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// observe begins to observe the lease with that id. From now on the program watches the leases, so
// who changes from one lease to another should begin the second before the first ends. The caller
// must call untilVoid.
func (k *Keeper) observe(id string) *observation {
	o := &observation{keeper: k}
	if id != "" { // else the record of what is held refers to no lease
		o.feed = k.sight.join(leaseKey(id))
	}
	return o
}

// observation is one program's view of the lease of another.
type observation struct {
	keeper  *Keeper
	feed    *feed        // nil if there is no lease
	last    queue.Record // zero if it was not seen yet
	silence *time.Timer  // runs out when the lease was not renewed for its time
}

// untilVoid returns nil when the lease is over, and can't be renewed any more. If it was not
// renewed for its time, untilVoid ends it. It returns an error if ctx ends before, or the store
// refuses.
func (o *observation) untilVoid(ctx context.Context) error {
	if o.feed == nil {
		return nil
	}
	defer o.keeper.sight.leave(o.feed)
	o.silence = time.NewTimer(o.keeper.ttl)
	defer o.silence.Stop()
	for {
		var over bool
		select {
		case <-o.feed.wake:
			g := o.keeper.sight.look(o.feed)
			if g.err != nil {
				return g.err
			}
			over = o.saw(ctx, g)
		case <-o.silence.C:
			over = o.silent(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if over {
			return nil
		}
	}
}

// saw notes what is known. It returns true if the lease is over.
func (o *observation) saw(ctx context.Context, g glance) (over bool) {
	if g.record.Revision != 0 {
		o.renewed(g.record)
		return false
	}
	return g.known && o.isGone(ctx)
}

// renewed notes that the record is at another revision than before.
func (o *observation) renewed(r queue.Record) {
	if r.Revision == o.last.Revision {
		return
	}
	o.last = r
	o.silence.Reset(ttlOf(r))
}

// silent ends a lease that was not renewed for its time. It returns true if it is over.
func (o *observation) silent(ctx context.Context) (over bool) {
	o.silence.Reset(again) // if the broker does not answer
	if o.last.Revision == 0 {
		return o.isGone(ctx)
	}
	err := o.keeper.store.Delete(ctx, o.feed.key, o.last.Revision)
	return err == nil || o.isGone(ctx)
}

// isGone asks the store whether the record is gone. If it is at another revision, its time begins
// again. A watch may be behind, so it is not believed.
func (o *observation) isGone(ctx context.Context) bool {
	record, err := o.keeper.store.Get(ctx, o.feed.key)
	if err == nil {
		o.renewed(record)
	}
	return guard.Is(err, queue.ErrNoRecord)
}
