package gentask

import (
	"github.com/gentask/gentask/actor"
)

// A consumer has one instance at a time. Start begins one; Props offers one, which begins when its
// Props are spawned and the ledger enters. What is offered while the consumer lives takes nothing
// away: its tree ends with ErrRunning if it is spawned too early.

// offer makes an instance for Props. It is what the consumer shows while it has no other.
func (c *Consumer) offer() *instance {
	l := newInstance(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	l.stops = c.stops
	if !c.lives() {
		l.inherit(c.instance)
		c.instance = l
	}
	return l
}

// begin makes the instance of Start; nil if the consumer lives.
func (c *Consumer) begin() *instance {
	l := newInstance(c)
	l.starting = make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lives() {
		return nil
	}
	l.stops, l.begun = c.stops, true
	l.inherit(c.instance)
	c.instance = l
	return l
}

// enter returns the instance that the tree under root leads: the one that it has begun, if its ledger
// was started anew; the one that was offered with its Props, or, if that has been led by another
// tree of the same Props, a fresh one. It returns nil if the consumer lives in another tree.
func (c *Consumer) enter(offered *instance, sys *actor.System, root *actor.PID) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.instance
	switch {
	case l != nil && l.root != nil && l.root.Equal(root):
		return l
	case c.lives() && (l != offered || l.root != nil):
		return nil
	}
	l = offered
	if l.root != nil || l.over() {
		l = newInstance(c)
		l.stops = offered.stops
	}
	l.begun, l.root, l.rootSys = true, root, sys
	if l.stops != c.stops {
		l.stopping.Store(true) // its Props are older than a Stop
	}
	c.instance = l
	return l
}

// lives reports whether the consumer has an instance that has begun and not ended. It is called with mu
// held. A tree may be gone a moment before its end is told; a supervisor above it starts the next
// one at once.
func (c *Consumer) lives() bool {
	l := c.instance
	return l != nil && l.begun && !l.over() && (l.root == nil || actor.Alive(l.rootSys, l.root))
}

// revoke ends the right of all Props so far to begin an instance, and returns the instance to stop; nil if
// there is none that has begun.
func (c *Consumer) revoke() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stops++
	if c.instance == nil || !c.instance.begun {
		return nil
	}
	return c.instance
}

// inherit takes over those who wait for the end of an instance that was offered and has not begun.
func (l *instance) inherit(old *instance) {
	if old != nil && !old.begun {
		l.done = old.done
	}
}
