package memory

// ring is a double-ended queue in a buffer that grows and wraps around. The zero value is empty.
type ring[T any] struct {
	buf  []T // its length is zero or a power of two
	head int
	n    int
}

// len returns how many elements there are.
func (r *ring[T]) len() int { return r.n }

// at returns a pointer to the i-th element from the head, from 0.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// pushBack adds v behind the tail.
func (r *ring[T]) pushBack(v T) {
	r.grow()
	r.n++
	*r.at(r.n - 1) = v
}

// pushFront adds v before the head.
func (r *ring[T]) pushFront(v T) {
	r.grow()
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.n++
	*r.at(0) = v
}

// popFront removes and returns the head, which must exist.
func (r *ring[T]) popFront() T {
	var zero T
	p := r.at(0)
	v := *p
	*p = zero // v must not keep memory alive
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n == 0 && len(r.buf) > maxIdle {
		r.buf, r.head = nil, 0 // a burst must not occupy memory for ever
	}
	return v
}

// maxIdle is the longest buffer that an empty ring keeps.
const maxIdle = 4096

// grow makes room for one more.
func (r *ring[T]) grow() {
	if r.n < len(r.buf) {
		return
	}
	buf := make([]T, max(16, 2*len(r.buf)))
	k := copy(buf, r.buf[r.head:])
	copy(buf[k:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}
