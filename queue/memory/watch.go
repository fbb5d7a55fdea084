package memory

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// watch is what one loop over a Watch has not yielded yet. The mutex of its bucket guards it.
type watch struct {
	bucket *bucket
	prefix string
	fresh  queue.ChangeKind        // ChangeSet: nothing was yielded; ChangeReset: that is void
	begins bool                    // all records are to be yielded
	newest map[string]queue.Change // of each key
	wake   chan struct{}           // capacity 1
}

// Watch implements queue.Store.
func (s *store) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		if err := queue.CheckPrefix(prefix); err != nil {
			yield(queue.Change{}, err)
			return
		}
		w := s.bucket.watch(prefix)
		defer w.end()
		if s.follow(ctx, w, func(c queue.Change) bool { return yield(c, nil) }) {
			yield(queue.Change{}, queue.ErrClosed)
		}
	}
}

// follow yields changes until ctx or the loop ends. It reports whether the store was closed.
func (s *store) follow(ctx context.Context, w *watch, yield func(queue.Change) bool) (closed bool) {
	told := time.Now() // when Alive was due last
	tick := time.NewTimer(alive)
	defer tick.Stop()
	for {
		due := tick.C
		down, changed := s.line.state()
		if down {
			due = nil
		} else {
			seen := time.Now()
			for _, c := range w.take() {
				if ctx.Err() != nil || isOver(s.closed) {
					return ctx.Err() == nil
				}
				if !yield(c) {
					return false
				}
			}
			// a loop that was slow has to catch up first
			if now := time.Now(); now.Sub(told) >= alive && now.Sub(seen) < alive {
				told = now
				if !yield(queue.Change{Kind: queue.ChangeAlive}) {
					return false
				}
			}
		}
		tick.Reset(max(0, time.Until(told.Add(alive))))
		select {
		case <-ctx.Done():
			return false
		case <-s.closed:
			return true
		case <-changed:
		case <-w.wake:
		case <-due:
		}
	}
}

// watch adds a watch.
func (b *bucket) watch(prefix string) *watch {
	w := &watch{bucket: b, prefix: prefix, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watches[w] = struct{}{}
	w.restart(queue.ChangeSet)
	return w
}

func (w *watch) end() {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	delete(w.bucket.watches, w)
}

// restart makes the watch yield all records; after a ChangeReset, if fresh is that.
func (w *watch) restart(fresh queue.ChangeKind) {
	if !w.begins { // otherwise nothing was yielded that could be void
		w.fresh = fresh
	}
	w.begins, w.newest = true, map[string]queue.Change{}
	w.stir()
}

// add notes a change, in the place of an earlier one of the same key.
func (w *watch) add(c queue.Change) {
	if !w.begins && queue.HasPrefix(c.Record.Key, w.prefix) {
		w.newest[c.Record.Key] = c
		w.stir()
	}
}

func (w *watch) stir() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// take returns what is to be yielded, in the order of revisions.
func (w *watch) take() []queue.Change {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	if !w.begins {
		changes := inOrder(maps.Values(w.newest))
		clear(w.newest)
		return changes
	}
	w.begins = false
	var changes []queue.Change
	if w.fresh == queue.ChangeReset {
		changes = append(changes, queue.Change{Kind: queue.ChangeReset})
	}
	changes = append(changes, w.bucket.all(w.prefix)...)
	return append(changes, queue.Change{Kind: queue.ChangeCurrent})
}

// inOrder returns copies of changes by their revisions.
func inOrder(changes iter.Seq[queue.Change]) []queue.Change {
	sorted := slices.SortedFunc(changes, func(a, b queue.Change) int {
		return cmp.Compare(a.Record.Revision, b.Record.Revision)
	})
	for i := range sorted {
		if sorted[i].Kind == queue.ChangeGone {
			sorted[i].Record.Revision = 0
		}
		sorted[i].Record = copied(sorted[i].Record)
	}
	return sorted
}
