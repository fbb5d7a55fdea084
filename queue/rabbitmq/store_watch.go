package rabbitmq

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/following"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// watch is one loop over a Watch. The mutex of its store guards what is noted for it.
type watch struct {
	store  *store
	prefix string
	yield  func(queue.Change, error) bool
	view   following.View
	wake   chan struct{} // capacity 1

	whole   bool // all records are to be yielded
	changed map[string]bool

	began time.Time // what was confirmed before belongs to the first state
}

// again is when a proof is asked for again that has failed.
const again = 200 * time.Millisecond

// Watch implements queue.Store.
func (s *store) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		if err := s.ready(context.Background(), queue.CheckPrefix(prefix)); err != nil {
			yield(queue.Change{}, err)
			return
		}
		w := &watch{store: s, prefix: prefix, yield: yield, wake: make(chan struct{}, 1), began: time.Now()}
		w.enter()
		defer w.end()
		if w.follow(ctx) && ctx.Err() == nil {
			yield(queue.Change{}, s.keeper.closed())
		}
	}
}

// enter makes the store note changes for the watch.
func (w *watch) enter() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.watches[w] = true
	w.restart()
}

func (w *watch) end() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	delete(w.store.watches, w)
}

// restart makes the watch compare all records. The mutex must be held.
func (w *watch) restart() {
	w.whole, w.changed = true, map[string]bool{}
	w.stir()
}

// add notes a key that has changed. The mutex must be held.
func (w *watch) add(key string) {
	if !w.whole && queue.HasPrefix(key, w.prefix) {
		w.changed[key] = true
		w.stir()
	}
}

func (w *watch) stir() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// stir wakes all watches: there may be a proof.
func (s *store) stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		w.stir()
	}
}

// news is what is to be yielded: what has gone has no revision.
type news struct {
	whole       bool
	incarnation string
	records     []replica.Kept
	proved      time.Time
}

// mayBegin reports whether everything was read that was there when the watch began.
func (w *watch) mayBegin() bool {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.view.IsWhole() || !w.store.proved.Before(w.began)
}

func (w *watch) take() news {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n := news{whole: w.whole, incarnation: s.state.Incarnation(), proved: s.proved}
	if w.whole {
		n.records = s.state.All(w.prefix)
	} else {
		for _, key := range slices.Sorted(maps.Keys(w.changed)) {
			k, _ := s.state.Get(key)
			k.Key = key
			n.records = append(n.records, k)
		}
	}
	w.whole = false
	clear(w.changed)
	return n
}

// follow yields changes until ctx, the loop or the store ends. It returns false if the loop has
// ended.
func (w *watch) follow(ctx context.Context) bool {
	for {
		if w.mayBegin() {
			n := w.take()
			if !w.tell(ctx, &n) {
				return false
			}
			if w.view.Alive(n.proved) && !w.yield(queue.Change{Kind: queue.ChangeAlive}, nil) {
				return false
			}
		}
		wait := time.Until(w.view.Due())
		if wait <= 0 {
			w.store.ask()
			wait = again
		}
		select {
		case <-ctx.Done():
			return true
		case <-w.store.keeper.life.Done():
			return true
		case <-w.wake:
		case <-time.After(wait):
		}
	}
}

// tell yields news that the loop does not have. It returns false if the loop has ended.
func (w *watch) tell(ctx context.Context, n *news) bool {
	if n.whole && w.view.Begin(n.incarnation) && !w.yield(queue.Change{Kind: queue.ChangeReset}, nil) {
		return false
	}
	for _, k := range n.records {
		if ctx.Err() != nil || w.store.keeper.life.Err() != nil {
			return true // follow finds it
		}
		if !w.one(k) {
			return false
		}
	}
	if !n.whole {
		return true
	}
	for _, key := range w.view.Whole() {
		if !w.gone(key) {
			return false
		}
	}
	return w.yield(queue.Change{Kind: queue.ChangeCurrent}, nil)
}

func (w *watch) one(k replica.Kept) bool {
	if k.Revision == 0 {
		return !w.view.Gone(k.Key) || w.gone(k.Key)
	}
	return !w.view.Set(k.Key, k.Revision) || w.yield(queue.Change{Record: copied(k.Record)}, nil)
}

func (w *watch) gone(key string) bool {
	return w.yield(queue.Change{Kind: queue.ChangeGone, Record: queue.Record{Key: key}}, nil)
}
