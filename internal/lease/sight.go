package lease

import (
	"context"
	"sync"

	"github.com/gentask/gentask/queue"
)

// sight is what a program sees of all leases, by one watch, while it observes any. The zero value
// needs the store only.
type sight struct {
	store queue.Store

	mu    sync.Mutex
	watch *leaseWatch // nil while no lease is observed
}

// leaseWatch is one watch of all leases. The mutex of its sight guards it.
type leaseWatch struct {
	feeds   map[*feed]struct{}
	records map[string]queue.Record
	known   bool // records are all that there are
	err     error
	cancel  context.CancelFunc
	done    chan struct{}
}

// feed wakes one observer of one lease.
type feed struct {
	key  string
	wake chan struct{} // capacity 1
}

// glance is what is known of a lease at a moment.
type glance struct {
	record queue.Record // zero if none was seen
	known  bool         // it would have been seen
	err    error        // of a watch that has ended
}

// join begins to observe the lease under a key.
func (s *sight) join(key string) *feed {
	f := &feed{key: key, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch == nil {
		s.start()
	}
	s.watch.feeds[f] = struct{}{}
	f.stir()
	return f
}

// leave ends the observation. The last one ends the watch, and waits for that.
func (s *sight) leave(f *feed) {
	s.mu.Lock()
	w := s.watch
	delete(w.feeds, f)
	last := len(w.feeds) == 0
	if last {
		s.watch = nil
	}
	s.mu.Unlock()
	if last {
		w.cancel()
		<-w.done
	}
}

// look returns what is known of the lease.
func (s *sight) look(f *feed) glance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return glance{record: s.watch.records[f.key], known: s.watch.known, err: s.watch.err}
}

// start starts a watch. The mutex is held.
func (s *sight) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w := &leaseWatch{
		feeds: map[*feed]struct{}{}, records: map[string]queue.Record{}, cancel: cancel, done: make(chan struct{}),
	}
	s.watch = w
	go func() {
		defer close(w.done)
		for c, err := range s.store.Watch(ctx, leasePrefix) {
			s.saw(w, c, err)
		}
	}()
}

// saw notes a change, and wakes those that it is about.
func (s *sight) saw(w *leaseWatch, c queue.Change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		w.err = err
	} else if !w.note(c) {
		return
	}
	for f := range w.feeds {
		if key := c.Record.Key; key == "" || key == f.key {
			f.stir()
		}
	}
}

// note notes a change. It returns false if it changes nothing.
func (w *leaseWatch) note(c queue.Change) bool {
	switch c.Kind {
	case queue.ChangeSet:
		w.records[c.Record.Key] = c.Record
	case queue.ChangeGone:
		delete(w.records, c.Record.Key)
	case queue.ChangeCurrent:
		w.known = true
	case queue.ChangeReset:
		clear(w.records)
		w.known = false
	case queue.ChangeAlive:
		return false
	}
	return true
}

// stir makes the observer look.
func (f *feed) stir() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
