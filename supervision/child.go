package supervision

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// child is one child over all its incarnations. It is small, because a dynamic supervisor may have
// hundreds of thousands.
type child struct {
	spec     ChildSpec
	tag      any        // of a supervise.Start, and otherwise nil
	pid      *actor.PID // nil: no incarnation lives
	last     *actor.PID // of the last incarnation, nil if there was none
	state    ChildState
	doomed   bool // is stopped by the operation of a static supervisor, now or soon
	nested   bool // is a supervisor itself
	at       int  // its index in the list of a static supervisor
	restarts int
	rare     *rare
}

// rare is the state of a child that most children never need.
type rare struct {
	starting func(*actor.PID, error) // must be answered when the child has started
	stopping []func(error)           // must be answered when the child is gone
	timer    *time.Timer             // limits the stop
	killed   bool
	end      *end     // not decided about yet
	midwife  *midwife // of a call of Props that did not return in time

	window   window    // restarts, for an intensity of the child's own
	reason   error     // of the last end, or failed start
	failures int       // restarts in a row, for the back-off
	since    time.Time // start of the present incarnation, if it is a restarted one
	recovery *recovery // of a child that is Restarting
	gated    bool      // BeforeRestart has not resumed yet
}

func (c *child) more() *rare {
	if c.rare == nil {
		c.rare = &rare{}
	}
	return c.rare
}

// takeStarting returns the reply to the start of the child, once, or nil.
func (c *child) takeStarting() func(*actor.PID, error) {
	if c.rare == nil {
		return nil
	}
	reply := c.rare.starting
	c.rare.starting = nil
	return reply
}

func (c *child) takeStopping() []func(error) {
	if c.rare == nil {
		return nil
	}
	replies := c.rare.stopping
	c.rare.stopping = nil
	return replies
}

// takeEnd returns the end that was not decided about yet, once, or nil.
func (c *child) takeEnd() *end {
	if c.rare == nil {
		return nil
	}
	e := c.rare.end
	c.rare.end = nil
	return e
}

func (c *child) stopTimer() {
	if c.rare != nil && c.rare.timer != nil {
		c.rare.timer.Stop()
		c.rare.timer = nil
	}
}

func (c *child) info() ChildInfo {
	info := ChildInfo{
		ID: c.spec.ID, PID: c.pid, State: c.state, Restart: c.spec.Restart, Restarts: c.restarts, Supervisor: c.nested,
	}
	if c.rare != nil {
		info.LastReason = c.rare.reason
	}
	return info
}

// remember keeps the reason of an end for [ChildInfo.LastReason].
func (c *child) remember(reason error) {
	if reason != nil || c.rare != nil {
		c.more().reason = reason
	}
}

func (c *child) shutdown() time.Duration {
	if c.spec.Shutdown == 0 {
		return defaultShutdown
	}
	return c.spec.Shutdown
}
