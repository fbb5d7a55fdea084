package supervision

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// base is the common part of static and dynamic supervisors: it spawns children, stops them in
// time, abandons them, and reports that. It runs on the supervisor's goroutine.
type base struct {
	owner   owner
	ctx     actor.Context
	hooks   *hooks
	stuck   *atomic.Int32 // calls of user code that have not returned
	backoff Backoff
	midwife *midwife // nil until the first spawn
	byPID   map[string]*child

	significant int // significant children that are not idle

	stopping bool
	reason   error                // reason of the stop
	zombies  map[string]Abandoned // abandoned children that still run
	lost     []Abandoned          // children that nested supervisors abandoned
}

func newBase(o owner, h *hooks, b Backoff) base {
	return base{
		owner: o, hooks: h, backoff: b.withDefaults(), byPID: make(map[string]*child), stuck: new(atomic.Int32),
	}
}

// owner is the supervisor around a base.
type owner interface {
	// gone is called when an incarnation has ended or was abandoned. The child's state is that of
	// before, and its pid is nil.
	gone(c *child, reason error)
	// recovered is called when the children of r that still wait may be started.
	recovered(r *recovery)
	// refused is called when the BeforeRestart of c has refused its restart.
	refused(c *child, reason error)
}

// These messages a supervisor sends to itself.
type (
	// deadline ends the wait for a child that was stopped.
	deadline struct {
		c   *child
		pid *actor.PID
	}
	// spawnFailed reports that there is no incarnation to wait for. It is a message so that a Props
	// function that always fails can't keep the supervisor in a loop.
	spawnFailed struct {
		c   *child
		err error
	}
)

// supervises marks the actors that are supervisors, for the supervisor above.
func (b *base) supervises() {}

// own handles the messages that are alike in all supervisors, and ignores others.
func (b *base) own(msg any) {
	switch m := msg.(type) {
	case *deadline:
		b.overdue(m)
	case *recovered:
		b.delayOver(m.recovery)
	case *resumed:
		b.resume(m)
	}
}

// spawn starts an incarnation. A failure comes back as a message.
func (b *base) spawn(c *child, ready bool) {
	b.set(c, Starting)
	if c.rare != nil {
		c.rare.killed = false
		c.rare.since = time.Now()
	}
	err := b.trySpawn(c, ready)
	if c.spec.Restart == Temporary {
		c.spec.Props, c.spec.BeforeRestart = nil, nil // their captured values are no longer needed
	}
	if err != nil {
		actor.Send(b.ctx.ActorSystem(), b.ctx.Self(), &spawnFailed{c: c, err: err})
		return
	}
	c.last = c.pid
	b.byPID[c.pid.Id] = c
}

// take removes the incarnation that has ended from the books. It returns its child, and the reason
// in a form that is safe to read. The child is nil for an unknown PID, such as that of an abandoned
// child that has ended, or a forged one.
func (b *base) take(m *actor.Exited) (*child, error) {
	reason := b.seal(m.Reason)
	c := b.childOf(m.PID)
	if c == nil {
		b.endedLate(m.PID, reason)
		return nil, nil
	}
	delete(b.byPID, m.PID.Id)
	c.stopTimer()
	c.pid = nil
	b.inherit(c, reason)
	b.tell(ChildExited, c, m.PID, reason)
	return c, reason
}

// seal returns a reason that is safe to read. Those of package actor are; an Exited may be forged.
func (b *base) seal(reason error) error {
	switch reason.(type) { //nolint:errorlint // the outermost
	case nil, *guard.SealedError, *actor.PanicError, *actor.GoexitError:
		return reason
	}
	if reflect.TypeOf(reason) == reflect.TypeOf(ErrIgnore) {
		return reason
	}
	sealed := make(chan error, 1)
	b.beside(func() { sealed <- guard.Seal(reason) }, nil)
	select {
	case s := <-sealed:
		return s
	default:
		return fmt.Errorf("error of type %T, whose methods do not return", reason)
	}
}

// childOf returns the child whose incarnation lives at pid, or nil.
func (b *base) childOf(pid *actor.PID) *child {
	if pid == nil {
		return nil
	}
	return b.byPID[pid.Id]
}

// inherit adds the children that a nested supervisor had to abandon to the own report.
func (b *base) inherit(c *child, reason error) {
	if reason == nil || reason == actor.ErrShutdown { //nolint:errorlint // a short cut for nearly all
		return
	}
	left, ok := guard.As[*AbandonedError](reason)
	if !ok {
		return
	}
	for _, a := range left.Children {
		b.lost = append(b.lost, Abandoned{ID: c.spec.ID + "/" + a.ID, PID: a.PID})
	}
}

func (b *base) endedLate(pid *actor.PID, reason error) {
	if pid == nil {
		return
	}
	z, ok := b.zombies[pid.Id]
	if !ok {
		return
	}
	delete(b.zombies, pid.Id)
	b.publish(Event{Kind: ChildEndedLate, ID: z.ID, PID: pid, Reason: reason})
}

// stop stops a child, and ends the wait for it in time.
func (b *base) stop(c *child) {
	limit := c.shutdown()
	if limit == Brutal {
		b.kill(c)
		return
	}
	b.askToStop(c)
	if limit != Infinity {
		b.limit(c, limit)
	}
}

func (b *base) askToStop(c *child) {
	b.set(c, Stopping)
	actor.Stop(b.ctx.ActorSystem(), c.pid)
}

func (b *base) kill(c *child) {
	b.set(c, Stopping)
	c.more().killed = true
	actor.Kill(b.ctx.ActorSystem(), c.pid)
	b.limit(c, killTime)
}

func (b *base) limit(c *child, d time.Duration) {
	c.stopTimer()
	c.more().timer = process.SendAfter(b.ctx, d, &deadline{c: c, pid: c.pid})
}

func (b *base) overdue(m *deadline) {
	switch c := m.c; {
	case c.pid != m.pid: // it has ended, and the timer was on its way
	case c.rare.killed:
		b.abandon(c)
	default:
		b.tell(ChildKilled, c, c.pid, nil)
		b.kill(c)
	}
}

// abandon leaves a child behind whose goroutine can't be stopped.
func (b *base) abandon(c *child) {
	pid := c.pid
	process.Abandon(b.ctx, pid)
	if b.zombies == nil {
		b.zombies = make(map[string]Abandoned)
	}
	b.tell(ChildAbandoned, c, pid, nil)
	_, _ = b.take(&actor.Exited{PID: pid, Reason: actor.ErrKilled})
	b.zombies[pid.Id] = Abandoned{ID: c.spec.ID, PID: pid}
	b.owner.gone(c, actor.ErrKilled)
}

// final reports to Notify that the child is gone for good.
func (b *base) final(c *child, reason error) {
	b.notify(c.spec.Notify, c.tag, Ended{ID: c.spec.ID, PID: c.last, Reason: reason, Restarts: c.restarts})
}

// exit ends the supervisor when all of its children are gone.
func (b *base) exit() {
	left := append([]Abandoned(nil), b.lost...)
	for _, z := range b.zombies {
		left = append(left, z)
	}
	if len(left) == 0 {
		actor.Exit(b.ctx, b.reason)
		return
	}
	slices.SortFunc(left, func(x, y Abandoned) int { return strings.Compare(x.ID, y.ID) })
	actor.Exit(b.ctx, &AbandonedError{Reason: b.reason, Children: left})
}

func (b *base) tell(kind EventKind, c *child, pid *actor.PID, reason error) {
	if b.hooks != nil {
		b.publish(Event{Kind: kind, ID: c.spec.ID, PID: pid, Reason: reason, Restarts: c.restarts})
	}
}

func (b *base) publish(e Event) {
	if b.hooks != nil {
		e.Supervisor = b.ctx.Self()
		b.hooks.publish(e)
	}
}

// set changes a child's state.
func (b *base) set(c *child, state ChildState) {
	if c.spec.Significant && (c.state == Idle) != (state == Idle) {
		if state == Idle {
			b.significant--
		} else {
			b.significant++
		}
	}
	c.state = state
}
