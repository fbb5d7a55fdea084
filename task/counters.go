package task

import "sync"

// counters are what the tasks of a supervisor count together.
type counters struct {
	mu           sync.Mutex
	now          Stats
	maxChildren  int
	maxAbandoned int

	telling     sync.Mutex // one call at a time, so that the last one has the last number
	onAbandoned func(int)
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

// ended takes out a task; dropped if nobody wanted its result.
func (c *counters) ended(dropped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Running--
	if dropped {
		c.now.Late++
	}
}

// abandoned moves a task from the running to the abandoned. A call of tell has to follow, without locks.
func (c *counters) abandoned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Running--
	c.now.Abandoned++
}

// returned takes out an abandoned task. A call of tell has to follow, without locks.
func (c *counters) returned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Abandoned--
	c.now.Late++
}

func (c *counters) tell() {
	if c.onAbandoned == nil {
		return
	}
	c.telling.Lock()
	defer c.telling.Unlock()
	c.onAbandoned(c.stats().Abandoned)
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
