package task

import (
	"sync"
	"time"
)

// ends collects the indices of runs that have an outcome, for one goroutine that waits for them.
// Pushing never blocks.
type ends struct {
	ready chan struct{} // has room for one: there is something to take

	mu  sync.Mutex
	all []int
}

// watcher gets the index of a run when the run has an outcome.
type watcher struct {
	ends  *ends
	index int
	next  *watcher
}

func newEnds() *ends { return &ends{ready: make(chan struct{}, 1)} }

func (e *ends) push(index int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, index)
	e.signal()
}

// wait reports whether there is an index to take, before done or up. An index that is there comes
// first.
func (e *ends) wait(done <-chan struct{}, up <-chan time.Time) bool {
	select {
	case <-e.ready:
		return true
	default:
	}
	select {
	case <-e.ready:
		return true
	case <-done:
	case <-up:
	}
	return false
}

// take returns an index, first come, first served. It is called after wait, or a
// receive from ready.
func (e *ends) take() (index int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	index, e.all = e.all[0], e.all[1:]
	if len(e.all) > 0 {
		e.signal()
	}
	return index
}

// signal must be called with mu held.
func (e *ends) signal() {
	select {
	case e.ready <- struct{}{}:
	default:
	}
}

// watch pushes index when r has an outcome, which may be now.
func (r *run) watch(e *ends, index int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running {
		e.push(index)
		return
	}
	r.watchers = &watcher{ends: e, index: index, next: r.watchers}
}

// unwatch removes the watchers of e.
func (r *run) unwatch(e *ends) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := &r.watchers; *w != nil; {
		if (*w).ends == e {
			*w = (*w).next
		} else {
			w = &(*w).next
		}
	}
}
