package gentask

import "sync"

// recent is a bounded memory by name: what was put in under the last names. It is safe for concurrent use.
type recent[V any] struct {
	mu    sync.Mutex
	most  int
	at    int      // where the next name goes
	order []string // a ring, once it is full
	of    map[string]V
}

func newRecent[V any](most int) *recent[V] { return &recent[V]{most: most, of: map[string]V{}} }

// put remembers what; a name that is known keeps its age.
func (r *recent[V]) put(name string, what V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.of[name]; !known && !r.admit(name) {
		return
	}
	r.of[name] = what
}

// admit makes room for a name, and says whether there is any.
func (r *recent[V]) admit(name string) bool {
	switch {
	case r.most == 0:
		return false
	case len(r.order) < r.most:
		r.order = append(r.order, name)
		return true
	}
	delete(r.of, r.order[r.at])
	r.order[r.at] = name
	r.at = (r.at + 1) % r.most
	return true
}

func (r *recent[V]) get(name string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what, known := r.of[name]
	return what, known
}
