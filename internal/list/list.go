// Package list is a doubly linked list whose links are fields of its elements: it allocates
// nothing, and an element is found in it and taken out of it without a search. An element can be in
// as many lists at a time as it has fields for.
//
// Nothing in it is safe for concurrent use.
package list

import (
	"iter"
	"slices"
)

// Links is the place of an element in one list. The zero value is the place of an element that is
// in none. It must not be copied while the element is in a list.
type Links[T any] struct {
	in         bool
	prev, next *T
}

// In reports whether the element is in a list.
func (l *Links[T]) In() bool { return l.in }

// List is a list of elements that keep their links in the field that it was made for. Its zero
// value can't be used; make one with [New]. A List is a value: the elements refer to each other,
// and not to it, so that it may lie in a map. Of several copies only one must be used.
type List[T any] struct {
	links       func(*T) *Links[T]
	first, last *T
	n           int
}

// New returns an empty list. links returns the field of an element that is meant; it must return
// the same one each time.
func New[T any](links func(*T) *Links[T]) List[T] { return List[T]{links: links} }

// Len returns how many elements there are.
func (l *List[T]) Len() int { return l.n }

// First returns the first element, nil if there is none.
func (l *List[T]) First() *T { return l.first }

// Last returns the last element, nil if there is none.
func (l *List[T]) Last() *T { return l.last }

// Next returns the element behind e, nil if e is the last.
func (l *List[T]) Next(e *T) *T { return l.links(e).next }

// Prev returns the element before e, nil if e is the first.
func (l *List[T]) Prev(e *T) *T { return l.links(e).prev }

// Has reports whether e is in the list, if it is in none of the other lists of the same field.
func (l *List[T]) Has(e *T) bool { return l.links(e).in }

// Push puts e at the end. It must be in no list of the same field.
func (l *List[T]) Push(e *T) { l.InsertAfter(l.last, e) }

// InsertAfter puts e behind at, or at the front if at is nil. It must be in no list of the same
// field.
func (l *List[T]) InsertAfter(at, e *T) {
	next := l.first
	if at != nil {
		next = l.links(at).next
	}
	*l.links(e) = Links[T]{in: true}
	l.join(at, e)
	l.join(e, next)
	l.n++
}

// Remove takes e out, if it is in the list.
func (l *List[T]) Remove(e *T) {
	at := l.links(e)
	if !at.in {
		return
	}
	l.join(at.prev, at.next)
	*at = Links[T]{}
	l.n--
}

// Replace puts by where e is, and takes e out.
func (l *List[T]) Replace(e, by *T) {
	at := *l.links(e)
	*l.links(e) = Links[T]{}
	*l.links(by) = Links[T]{in: true}
	l.join(at.prev, by)
	l.join(by, at.next)
}

// join makes b the next of a. A nil a is the front of the list, a nil b its end.
func (l *List[T]) join(a, b *T) {
	if a == nil {
		l.first = b
	} else {
		l.links(a).next = b
	}
	if b == nil {
		l.last = a
	} else {
		l.links(b).prev = a
	}
}

// All returns the elements in order. The loop must not change the list, but for taking out the
// element that it is at after its last use.
func (l *List[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for e := l.first; e != nil; {
			next := l.links(e).next
			if !yield(e) {
				return
			}
			e = next
		}
	}
}

// Slice returns a copy of the list, for a loop that changes it.
func (l *List[T]) Slice() []*T { return slices.AppendSeq(make([]*T, 0, l.n), l.All()) }

// ContainsFunc reports whether f returns true for an element. f must not change the list.
func (l *List[T]) ContainsFunc(f func(*T) bool) bool {
	for e := range l.All() {
		if f(e) {
			return true
		}
	}
	return false
}
