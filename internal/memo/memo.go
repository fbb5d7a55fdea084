// Package memo is a bounded memory: the values that were put in under the latest names.
package memo

import "sync"

// Memo remembers a value for each of the latest names. Make one with [New]. Its methods are safe
// for concurrent use.
type Memo[N comparable, V any] struct {
	mu    sync.Mutex
	most  int
	at    int // the place of the next name
	order []N // a ring, once it is full
	of    map[N]kept[V]
}

// kept is a value, and the place of its name in the ring.
type kept[V any] struct {
	value V
	at    int
}

// New returns a memory of at most the given number of names. One of no names remembers nothing.
func New[N comparable, V any](most int) *Memo[N, V] {
	return &Memo[N, V]{most: most, of: map[N]kept[V]{}}
}

// Put remembers a value. A name that is known keeps its age. A new one takes the place of the
// oldest, if the memory is full.
func (m *Memo[N, V]) Put(name N, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.of[name]; ok {
		m.of[name] = kept[V]{value, known.at}
		return
	}
	switch {
	case m.most == 0:
		return
	case len(m.order) < m.most:
		m.order = append(m.order, name)
	default:
		if oldest := m.order[m.at]; m.of[oldest].at == m.at {
			delete(m.of, oldest) // else it was dropped, and has another place now
		}
		m.order[m.at] = name
	}
	m.of[name] = kept[V]{value, m.at}
	m.at = (m.at + 1) % m.most
}

// Get returns the value of a name, and reports whether the name is remembered.
func (m *Memo[N, V]) Get(name N) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.of[name]
	return known.value, ok
}

// Drop forgets a name.
func (m *Memo[N, V]) Drop(name N) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, name)
}

// Len returns how many names are remembered.
func (m *Memo[N, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.of)
}
