package task

import "sync"

// counters are what a supervisor's partitions and tasks count together.
type counters struct {
	mu           sync.Mutex
	now          Stats
	maxChildren  int
	maxAbandoned int
	onAbandoned  func(int)
}

func newCounters(cfg Config) *counters {
	return &counters{maxChildren: cfg.MaxChildren, maxAbandoned: cfg.MaxAbandoned, onAbandoned: cfg.OnAbandoned}
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

// abandon moves a task from the running to the abandoned.
func (c *counters) abandon() {
	c.mu.Lock()
	c.now.Running--
	c.now.Abandoned++
	n := c.now.Abandoned
	c.mu.Unlock()
	c.tell(n)
}

// ended takes a task out; late if it was abandoned, dropped if nobody wanted its result.
func (c *counters) ended(late, dropped bool) {
	c.mu.Lock()
	if late || dropped {
		c.now.Late++
	}
	if !late {
		c.now.Running--
		c.mu.Unlock()
		return
	}
	c.now.Abandoned--
	n := c.now.Abandoned
	c.mu.Unlock()
	c.tell(n)
}

func (c *counters) tell(abandoned int) {
	if c.onAbandoned != nil {
		c.onAbandoned(abandoned)
	}
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
