package lease

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// untilVoid returns nil when the lease with that id is over, and can't be renewed any more. If it
// was not renewed for its time, untilVoid ends it. It returns an error if ctx ends before, or the
// store refuses.
func (k *Keeper) untilVoid(ctx context.Context, id string) error {
	if id == "" {
		return nil // what is held refers to no lease
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := &observation{keeper: k, key: leaseKey(id), silence: time.NewTimer(k.ttl), looks: true}
	defer o.silence.Stop()
	changes := make(chan queue.Change)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() { cancel(k.forward(ctx, o.key, changes)) })
	for {
		var over bool
		select {
		case c := <-changes:
			over = o.saw(ctx, c)
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

// forward sends the changes of a key to a channel until ctx ends. It returns the error of the
// watch.
func (k *Keeper) forward(ctx context.Context, key string, changes chan<- queue.Change) error {
	for change, err := range k.store.Watch(ctx, key) {
		if err != nil {
			return err
		}
		select {
		case changes <- change:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// observation is one program's view of the lease of another.
type observation struct {
	keeper  *Keeper
	key     string
	last    queue.Record // zero if it was not seen yet
	silence *time.Timer  // runs out when the lease was not renewed for its time
	looks   bool         // the first state of the watch has not come yet
}

// saw notes a change. It returns true if the lease is over.
func (o *observation) saw(ctx context.Context, c queue.Change) (over bool) {
	switch c.Kind {
	case queue.ChangeSet:
		o.renewed(c.Record)
	case queue.ChangeGone:
		return o.isGone(ctx)
	case queue.ChangeCurrent:
		return o.last.Revision == 0 && o.isGone(ctx)
	case queue.ChangeReset:
		o.last = queue.Record{}
	case queue.ChangeAlive:
	}
	return false
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
	err := o.keeper.store.Delete(ctx, o.key, o.last.Revision)
	return err == nil || o.isGone(ctx)
}

// isGone asks the store whether the record is gone. If it is at another revision, its time begins
// again. A watch may be behind, so it is not believed.
func (o *observation) isGone(ctx context.Context) bool {
	record, err := o.keeper.store.Get(ctx, o.key)
	if err == nil {
		o.renewed(record)
	}
	return guard.Is(err, queue.ErrNoRecord)
}
