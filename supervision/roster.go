package supervision

import "iter"

// roster holds the children of a static supervisor in the order of their start. The cost of an
// operation on one child does not depend on their number.
type roster struct {
	byID map[string]*child
	list []*child // nil where a child was removed; child.at is the index
}

func (r *roster) len() int { return len(r.byID) }

// find returns the child of this ID, or nil.
func (r *roster) find(id string) *child { return r.byID[id] }

// add appends c, whose ID must be new.
func (r *roster) add(c *child) {
	if r.byID == nil {
		r.byID = make(map[string]*child)
	}
	c.at = len(r.list)
	r.byID[c.spec.ID] = c
	r.list = append(r.list, c)
}

// remove forgets c. It does nothing if c was removed before.
func (r *roster) remove(c *child) {
	if r.byID[c.spec.ID] != c {
		return
	}
	delete(r.byID, c.spec.ID)
	r.list[c.at], c.at = nil, -1
	if len(r.list) > 2*len(r.byID)+minGaps {
		r.compact()
	}
}

// minGaps is how many gaps are tolerated in a short list.
const minGaps = 16

// compact closes the gaps, in a new list, because a caller may range over the old one.
func (r *roster) compact() {
	list := make([]*child, 0, len(r.byID)+minGaps)
	for _, c := range r.list {
		if c != nil {
			c.at = len(list)
			list = append(list, c)
		}
	}
	r.list = list
}

// all returns the children from the first to the last. Children may be removed meanwhile.
func (r *roster) all() iter.Seq[*child] {
	return func(yield func(*child) bool) {
		for _, c := range r.list {
			if c != nil && c.at >= 0 && !yield(c) {
				return
			}
		}
	}
}

// backward returns the children from the last to the first.
func (r *roster) backward() iter.Seq[*child] {
	return func(yield func(*child) bool) {
		list := r.list
		for i := len(list) - 1; i >= 0; i-- {
			if c := list[i]; c != nil && c.at >= 0 && !yield(c) {
				return
			}
		}
	}
}

// from returns c and the children after it, in a slice of its own.
func (r *roster) from(c *child) []*child {
	group := make([]*child, 0, len(r.list)-c.at)
	for _, o := range r.list[c.at:] {
		if o != nil {
			group = append(group, o)
		}
	}
	return group
}
