package supervision

import (
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
)

// base is what static and dynamic supervisors have in common: spawning, stopping in time, abandoning, and telling. It runs in the supervisor's
// goroutine.
type base struct {
	owner   owner
	ctx     actor.Context
	onEvent func(Event)
	backoff Backoff
	spawner actor.Spawner
	byPID   map[string]*child

	stopping bool
	reason   error                // why it stops
	zombies  map[string]Abandoned // abandoned children that still run
	lost     []Abandoned          // what nested supervisors abandoned
}

// owner is the supervisor around a base.
type owner interface {
	// gone hears that an incarnation has ended, or was abandoned. The child's state is still that of before; its pid is nil.
	gone(c *child, reason error)
	// recovered hears that the children of r, as far as they still wait, may be started.
	recovered(r *recovery)
	// refused hears that c is not to be restarted: its BeforeRestart said no.
	refused(c *child, reason error)
}

// Messages of a supervisor to itself.
type (
	// deadline ends the patience with a child that was told to stop.
	deadline struct {
		c   *child
		pid *actor.PID
	}
	// spawnFailed tells that there is no incarnation to wait for. It comes as a message so that a Props function that always fails can't
	// keep the supervisor in a loop.
	spawnFailed struct {
		c   *child
		err error
	}
)

// own handles what is alike in all supervisors, and says whether msg was of that kind.
func (b *base) own(msg any) bool {
	switch m := msg.(type) {
	case *deadline:
		b.overdue(m)
	case *recovered:
		b.delayOver(m.recovery)
	case *resumed:
		b.resume(m)
	default:
		return false
	}
	return true
}

// spawn starts an incarnation. A failure comes back as a message.
func (b *base) spawn(c *child, ready bool) {
	c.state = Starting
	if c.rare != nil {
		c.rare.killed = false
		c.rare.since = time.Now()
	}
	err := b.trySpawn(c, ready)
	if c.spec.Restart == Temporary {
		c.spec.Props, c.spec.BeforeRestart = nil, nil // what they have captured is of no use any more
	}
	if err != nil {
		actor.Send(b.ctx.ActorSystem(), b.ctx.Self(), &spawnFailed{c: c, err: err})
		return
	}
	c.last = c.pid
	b.byPID[c.pid.Id] = c
}

// trySpawn runs code of the user's: Props, and the producer in what it returns.
func (b *base) trySpawn(c *child, ready bool) (err error) {
	returned := false
	defer func() {
		if reason := actor.Recovered(recover(), returned); reason != nil {
			err = reason
		}
	}()
	props := c.spec.Props()
	if props == nil {
		err = badField("ChildSpec.Props", "a function that returned nil", "one that returns the child's Props")
	} else {
		c.pid = b.spawner.Spawn(b.ctx, props, actor.SpawnOptions{Name: c.spec.ID, Monitor: true, Ready: ready})
	}
	returned = true
	return err
}

// take removes the incarnation that has ended from the books, and returns its child: nil for a PID that is unknown, be it that of an abandoned
// child that has ended at last, or a forged one.
func (b *base) take(m *actor.Exited) *child {
	c := b.childOf(m.PID)
	if c == nil {
		b.endedLate(m)
		return nil
	}
	delete(b.byPID, m.PID.Id)
	c.stopTimer()
	c.pid = nil
	b.inherit(c, m.Reason)
	b.tell(ChildExited, c, m.PID, m.Reason)
	return c
}

// childOf returns nil for a PID that is unknown.
func (b *base) childOf(pid *actor.PID) *child {
	if pid == nil {
		return nil
	}
	return b.byPID[pid.Id]
}

// inherit adds what a nested supervisor had to abandon to our own report.
func (b *base) inherit(c *child, reason error) {
	if reason == nil || reason == actor.ErrShutdown { //nolint:errorlint // a short cut for what is nearly always the case
		return
	}
	for _, a := range ReportOf(reason).Abandoned {
		b.lost = append(b.lost, Abandoned{ID: c.spec.ID + "/" + a.ID, PID: a.PID})
	}
}

func (b *base) endedLate(m *actor.Exited) {
	if m.PID == nil {
		return
	}
	z, ok := b.zombies[m.PID.Id]
	if !ok {
		return
	}
	delete(b.zombies, m.PID.Id)
	b.publish(Event{Kind: ChildEndedLate, ID: z.ID, PID: m.PID, Reason: m.Reason})
}

// stop tells a child to stop, and sees to it that it is gone in time.
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
	c.state = Stopping
	actor.Stop(b.ctx.ActorSystem(), c.pid)
}

func (b *base) kill(c *child) {
	c.state = Stopping
	c.more().killed = true
	actor.Kill(b.ctx.ActorSystem(), c.pid)
	b.limit(c, KillTime)
}

func (b *base) limit(c *child, d time.Duration) {
	c.stopTimer()
	c.more().timer = actor.SendAfter(b.ctx, d, &deadline{c: c, pid: c.pid})
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
	actor.Abandon(b.ctx, pid)
	if b.zombies == nil {
		b.zombies = make(map[string]Abandoned)
	}
	b.tell(ChildAbandoned, c, pid, nil)
	b.take(&actor.Exited{PID: pid, Reason: actor.ErrKilled})
	b.zombies[pid.Id] = Abandoned{ID: c.spec.ID, PID: pid}
	b.owner.gone(c, actor.ErrKilled)
}

// final tells Notify that the child is gone for good.
func (b *base) final(c *child, reason error) {
	if c.spec.Notify != nil {
		actor.Send(b.ctx.ActorSystem(), c.spec.Notify, &Ended{ID: c.spec.ID, Tag: c.spec.Tag, PID: c.last, Reason: reason, Restarts: int(c.restarts)})
	}
}

// exit ends the supervisor, all of whose children are gone.
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
	if b.onEvent != nil {
		b.publish(Event{Kind: kind, ID: c.spec.ID, PID: pid, Reason: reason, Restarts: int(c.restarts)})
	}
}

func (b *base) publish(e Event) {
	if b.onEvent != nil {
		e.Supervisor = b.ctx.Self()
		_ = guard(func() { b.onEvent(e) })
	}
}

// guard runs code of the user's, and returns how it failed.
func guard(f func()) (err error) {
	returned := false
	defer func() { err = actor.Recovered(recover(), returned) }()
	f()
	returned = true
	return nil
}
