package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Only runs f while this program holds name, a part of a key, which one program does at a time. It
// waits until it does. If the hold is lost while f runs, the context of f ends with [ErrLost] as
// its cause; when f has returned, Only waits for the name again. If f returns by itself, Only gives
// the name to others and returns the error of f, also that of a panic or Goexit. If ctx ends, Only
// returns the cause, after f has returned. It returns [ErrClosed] after Close, and the error of a
// store that refuses.
//
// Epoch grows with each hold, as long as the store is not made again. f should pass it on to what
// it writes to, which should refuse a smaller one than it has seen: no lease can stop a program
// that was frozen in the middle of a write.
func (k *Keeper) Only(ctx context.Context, name string, f func(ctx context.Context, epoch uint64) error) error {
	for {
		h, err := k.take(ctx, "only."+name)
		if err != nil {
			return err
		}
		err = h.run(ctx, f)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case k.life.Err() != nil:
			return ErrClosed
		case err != errAgain: //nolint:errorlint // the value itself
			return err
		}
	}
}

// behind is how far the watch of a store may be behind a write that was refused.
const behind = 10 * time.Millisecond

// errAgain is returned by a run whose hold was lost.
var errAgain = errors.New("lease: hold lost")

// hold is a name that this program holds.
type hold struct {
	keeper   *Keeper
	term     *Term
	key      string
	turn     string
	revision queue.Revision
}

// take waits until the name under key is free, and takes it.
func (k *Keeper) take(ctx context.Context, key string) (*hold, error) {
	if k.life.Err() != nil {
		return nil, ErrClosed // rather than the error of a store that is closed, too
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(k.life, func() { cancel(ErrClosed) })()
	for {
		free, err := k.untilFree(ctx, key)
		if err != nil {
			return nil, err
		}
		h, err := k.put(ctx, key, free)
		switch {
		case h != nil:
			return h, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case guard.Is(err, queue.ErrConfig), guard.Is(err, queue.ErrClosed), guard.Is(err, ErrClosed):
			return nil, err
		case guard.Is(err, queue.ErrConflict):
			wait(ctx, behind)
		default:
			wait(ctx, again)
		}
	}
}

// put takes a name whose record is at the revision. It returns queue.ErrConflict if another program
// was faster. After queue.ErrUncertain the record may be there, or come: it is a stray then.
func (k *Keeper) put(ctx context.Context, key string, free queue.Revision) (*hold, error) {
	term, err := k.Take(ctx)
	if err != nil {
		return nil, err
	}
	h := &hold{keeper: k, term: term, key: key, turn: rand.Text()}
	k.enter(h.turn)
	value := encode(holding{Node: k.cfg.Node, Lease: term.id, Turn: h.turn})
	h.revision, err = k.store.Put(term.ctx, key, value, free, 0)
	if err == nil {
		return h, nil
	}
	k.leave(h.turn)
	term.Release()
	return nil, err
}

// untilFree returns the revision at which the name under key can be taken: it is not held, or by a
// lease that is over.
func (k *Keeper) untilFree(ctx context.Context, key string) (queue.Revision, error) {
	w := &wish{keeper: k}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	defer w.observers.Wait()
	defer w.cancel(nil)
	for change, err := range k.store.Watch(w.ctx, key) {
		if err != nil {
			return 0, err
		}
		if w.saw(change, key) {
			return queue.Absent, nil
		}
	}
	if f, found := guard.As[*freeError](context.Cause(w.ctx)); found {
		return f.at, nil
	}
	return 0, context.Cause(w.ctx)
}

// wish is a wait for a name.
type wish struct {
	keeper    *Keeper
	ctx       context.Context
	cancel    context.CancelCauseFunc
	observers sync.WaitGroup
	stop      context.CancelFunc // of the present observer
	held      queue.Revision     // of the last record that was seen
}

// freeError is the cause by which an observer ends a wait.
type freeError struct{ at queue.Revision }

func (*freeError) Error() string { return "lease: free" }

// saw notes a change. It returns true if the name is not held.
func (w *wish) saw(c queue.Change, key string) (free bool) {
	if c.Record.Key != "" && c.Record.Key != key {
		return false // below the key
	}
	switch c.Kind {
	case queue.ChangeSet:
		w.observe(c.Record)
	case queue.ChangeGone:
		return true
	case queue.ChangeCurrent:
		return w.held == 0
	case queue.ChangeReset:
		w.held = 0
	case queue.ChangeAlive:
	}
	return false
}

// observe waits for the end of the lease that holds the name, instead of the one before.
func (w *wish) observe(r queue.Record) {
	h := holderOf(r)
	if w.keeper.isStray(h) {
		h.Lease = "" // it is not held
	}
	o, before := w.keeper.observe(h.Lease), w.stop
	w.held = r.Revision
	ctx, stop := context.WithCancel(w.ctx)
	w.stop = stop
	w.observers.Go(func() {
		defer stop()
		err := o.untilVoid(ctx)
		if err == nil {
			err = &freeError{r.Revision}
		}
		if ctx.Err() == nil {
			w.cancel(err)
		}
	})
	if before != nil {
		before()
	}
}

// run runs f until it returns, and gives the name back.
func (h *hold) run(ctx context.Context, f func(context.Context, uint64) error) error {
	defer h.giveBack()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.term.ctx, func() { cancel(context.Cause(h.term.ctx)) })()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		if h.untilTaken(ctx) {
			cancel(ErrLost)
		}
	})
	returned := make(chan struct{})
	watching.Go(func() { h.warn(ctx, returned) })
	err := contained(ctx, uint64(h.revision), f)
	close(returned)
	if context.Cause(ctx) == ErrLost { //nolint:errorlint // the cause itself
		return errAgain
	}
	return err
}

// warn logs that a function goes on although its hold is lost, and others may hold the name.
func (h *hold) warn(ctx context.Context, returned <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-returned:
		return
	}
	select {
	case <-time.After(h.keeper.ttl / margins):
		h.keeper.cfg.Log.Warn("function runs though its lease is over", "key", h.key, "node", h.keeper.cfg.Node)
	case <-returned:
	}
}

// untilTaken returns true if somebody else has removed or replaced the record, an operator for
// example. It returns false if ctx ends.
func (h *hold) untilTaken(ctx context.Context) bool {
	seen := false
	for c, err := range h.keeper.store.Watch(ctx, h.key) {
		if err != nil {
			return false // the lease ends what can't be watched
		}
		ours := c.Kind == queue.ChangeSet && c.Record.Key == h.key && holderOf(c.Record).Turn == h.turn
		seen = seen || ours
		switch {
		case c.Kind == queue.ChangeSet && c.Record.Key == h.key && c.Record.Revision > h.revision,
			c.Kind == queue.ChangeGone && c.Record.Key == h.key && seen,
			c.Kind == queue.ChangeCurrent && !seen:
			return true
		case c.Kind == queue.ChangeReset:
			seen = false
		}
	}
	return false
}

// giveBack removes the record, so that others need not wait for the end of the lease, and releases
// the term. It repeats that until the store answers or the lease is over, because a lease that goes
// on would hold the name for good.
func (h *hold) giveBack() {
	defer h.term.Release()
	defer h.keeper.leave(h.turn)
	for h.term.ctx.Err() == nil {
		err := h.keeper.store.Delete(h.term.ctx, h.key, h.revision)
		if err == nil || guard.Is(err, queue.ErrConflict) || guard.Is(err, queue.ErrClosed) {
			return
		}
		wait(h.term.ctx, again)
	}
}

// contained runs f on a goroutine of its own, and returns its error, also that of a panic or
// Goexit.
func contained(ctx context.Context, epoch uint64, f func(context.Context, uint64) error) error {
	ended := make(chan error, 1)
	go func() {
		returned := false
		var err error
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				err = fmt.Errorf("gentask: function did not return: %w", reason)
			}
			ended <- err
		}()
		err = f(ctx, epoch)
		returned = true
	}()
	return <-ended
}
