package gentask

import "sync"

// memo is a bounded memory: what was put in under the last names. It is safe for concurrent use.
type memo[N comparable, V any] struct {
	mu    sync.Mutex
	most  int
	at    int // where the next name goes
	order []N // a ring, once it is full
	of    map[N]V
}

func newMemo[N comparable, V any](most int) *memo[N, V] {
	return &memo[N, V]{most: most, of: map[N]V{}}
}

// put remembers what; a name that is known keeps its age.
func (r *memo[N, V]) put(name N, what V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.of[name]; !known && !r.admit(name) {
		return
	}
	r.of[name] = what
}

// admit makes room for a name, and says whether there is any.
func (r *memo[N, V]) admit(name N) bool {
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

func (r *memo[N, V]) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.of)
}

// drop forgets a name. Its place is taken by the next that comes round.
func (r *memo[N, V]) drop(name N) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, name)
}

func (r *memo[N, V]) get(name N) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what, known := r.of[name]
	return what, known
}
