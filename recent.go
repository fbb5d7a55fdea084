package gentask

import "sync"

// recent is a bounded memory of names: the last ones that were put in. It is safe for concurrent use.
type recent struct {
	mu    sync.Mutex
	most  int
	at    int      // where the next one goes
	order []string // a ring, once it is full
	names map[string]struct{}
}

func newRecent(most int) *recent { return &recent{most: most, names: map[string]struct{}{}} }

func (r *recent) put(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.names[name]; known || r.most == 0 {
		return
	}
	r.names[name] = struct{}{}
	if len(r.order) < r.most {
		r.order = append(r.order, name)
		return
	}
	delete(r.names, r.order[r.at])
	r.order[r.at] = name
	r.at = (r.at + 1) % r.most
}

func (r *recent) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.names[name]
	return known
}
