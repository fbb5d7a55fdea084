package task

import (
	"sync"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// counters are the counters of a supervisor.
type counters struct {
	mu           sync.Mutex
	now          Stats
	maxChildren  int
	maxAbandoned int

	onAbandoned func(int)
	telling     bool // a goroutine calls it, and will with the last number
}

// reserve takes a place for one more task.
func (c *counters) reserve() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.maxChildren > 0 && c.now.Running >= c.maxChildren:
		return ErrMaxChildren
	case c.maxAbandoned > 0 && c.now.Abandoned >= c.maxAbandoned:
		return ErrMaxAbandoned
	}
	c.now.Running++
	c.now.Started++
	return nil
}

// refused gives the place of a task back that did not begin.
func (c *counters) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Running--
	c.now.Started--
}

// ended removes a task; dropped if its result was ignored.
func (c *counters) ended(dropped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Running--
	if dropped {
		c.now.Late++
	}
}

// abandoned counts a running task as abandoned. A call of tell must follow.
func (c *counters) abandoned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Running--
	c.now.Abandoned++
}

// returned removes an abandoned task. A call of tell must follow.
func (c *counters) returned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Abandoned--
	c.now.Late++
}

// tell calls the hook on a goroutine of its own, or on the dispatcher of sys. The caller does not
// wait for it, and there is one at most. It ends when the hook has got the last number.
func (c *counters) tell(sys *actor.System) {
	if c.onAbandoned != nil && c.begin() {
		process.Go(sys, c.tellAll)
	}
}

// begin reports whether no goroutine calls the hook. Then the caller must.
func (c *counters) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.telling
	c.telling = true
	return first
}

func (c *counters) tellAll() {
	for told := -1; ; {
		n, more := c.untold(told)
		if !more {
			return
		}
		told = n
		guard.Aside(func() { c.onAbandoned(n) })
	}
}

// untold returns the number of abandoned tasks, unless it is the last that the hook got.
func (c *counters) untold(told int) (n int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = c.now.Abandoned
	c.telling = n != told
	return n, c.telling
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
