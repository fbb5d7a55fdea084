package gentask

// chains are entries by a name that they share. Of each chain only the first may be at work.
type chains[N comparable] struct {
	kind int // which of an entry's links are meant
	by   map[N]chain
}

// chain is in order of arrival.
type chain struct{ first, last *entry }

// turnLink is an entry's place in a chain.
type turnLink struct {
	in             bool
	before, behind *entry
}

func (c *chains[N]) link(e *entry) *turnLink { return &e.spot.links[c.kind] }

// join puts e at the end of the chain. The zero name is no chain.
func (c *chains[N]) join(e *entry, name N) {
	if name == *new(N) {
		return
	}
	ch := c.by[name]
	*c.link(e) = turnLink{in: true, before: ch.last}
	if ch.last == nil {
		ch.first = e
	} else {
		c.link(ch.last).behind = e
		e.spot.ahead++
	}
	ch.last = e
	c.by[name] = ch
}

// leave takes e out of the chain, and returns the one that has become the first by that; nil if none has.
func (c *chains[N]) leave(e *entry, name N) *entry {
	at := *c.link(e)
	if !at.in {
		return nil
	}
	*c.link(e) = turnLink{}
	ch := c.by[name]
	if at.behind == nil {
		ch.last = at.before
	} else {
		c.link(at.behind).before = at.before
	}
	if at.before == nil {
		ch.first = at.behind
	} else {
		c.link(at.before).behind = at.behind
		e.spot.ahead--
	}
	if ch.first == nil {
		delete(c.by, name)
		return nil
	}
	c.by[name] = ch
	if at.before == nil {
		return at.behind
	}
	return nil
}

// replace puts next where e is, which is the first.
func (c *chains[N]) replace(e, next *entry, name N) {
	at := *c.link(e)
	if !at.in {
		return
	}
	*c.link(e), *c.link(next) = turnLink{}, at
	ch := c.by[name]
	ch.first = next
	if at.behind == nil {
		ch.last = next
	} else {
		c.link(at.behind).before = next
	}
	c.by[name] = ch
}

// behindFirst appends all that are not the first of their chain.
func (c *chains[N]) behindFirst(to []*entry) []*entry {
	for _, ch := range c.by {
		for e := c.link(ch.first).behind; e != nil; e = c.link(e).behind {
			to = append(to, e)
		}
	}
	return to
}
