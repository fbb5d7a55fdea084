package feed

const (
	// blockSize is how many values a block has room for.
	blockSize = 64

	// mostSpare is how many empty blocks are kept: room for 2,048 values.
	mostSpare = 32
)

// list is a first-in, first-out list of values, in blocks that can be used again.
type list[T any] struct {
	first, last *block[T]
	len         int // of values
	blocks      int
}

// block is a part of a list. Its values are those from begin to end.
type block[T any] struct {
	next       *block[T]
	begin, end int
	values     [blockSize]T
}

// push adds a value. A block for it is taken from spare if that has one.
func (l *list[T]) push(v T, spare *list[T]) {
	if l.last == nil || l.last.end == blockSize {
		b := spare.unlink()
		if b == nil {
			b = &block[T]{}
		}
		l.link(b)
	}
	l.last.values[l.last.end] = v
	l.last.end++
	l.len++
}

// pop removes the first value, which there must be. A block that is empty then goes to done.
func (l *list[T]) pop(done *list[T]) T {
	b := l.first
	var none T
	v := b.values[b.begin]
	b.values[b.begin] = none
	b.begin++
	l.len--
	if b.begin == b.end {
		l.unlink()
		b.begin, b.end = 0, 0
		done.keep(b)
	}
	return v
}

// keep adds an empty block, unless there are enough.
func (l *list[T]) keep(b *block[T]) {
	if l.blocks < mostSpare {
		l.link(b)
	}
}

// addBlocks moves the empty blocks of other here, as far as they are needed.
func (l *list[T]) addBlocks(other *list[T]) {
	for b := other.unlink(); b != nil; b = other.unlink() {
		l.keep(b)
	}
}

func (l *list[T]) link(b *block[T]) {
	if l.last == nil {
		l.first = b
	} else {
		l.last.next = b
	}
	l.last = b
	l.blocks++
}

// unlink removes the first block, and returns nil if there is none.
func (l *list[T]) unlink() *block[T] {
	b := l.first
	if b == nil {
		return nil
	}
	if l.first = b.next; l.first == nil {
		l.last = nil
	}
	b.next = nil
	l.blocks--
	return b
}
