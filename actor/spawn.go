package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// SpawnOptions configure a spawn. The zero value is ready to use.
type SpawnOptions struct {
	// Name is the first part of the child's name. The rest is made up, so that no two incarnations
	// share a name. Empty leaves the name to the system.
	Name string

	// Monitor sends the parent one [*Exited] when the child has ended, in any way.
	Monitor bool

	// Ready sends the parent one [*Ready] when the child is at work.
	Ready bool
}

// Exited reports the end of the actor PID. It comes after the actor's last message, and after the
// end of its children. To a parent it comes after protoactor-go's own Terminated. A parent that is
// stopping itself gets Terminated and no Exited; with [TrapStop] it gets both.
type Exited struct {
	PID *PID
	// Reason is nil for a normal end: see the package comment.
	Reason error
}

// Spawn starts a child of the actor that ctx belongs to, and returns at once. The child processes
// Started later. It gets the mailbox of this package, and all Props may be used, also those that
// protoactor-go has made. Spawn must be called from within the parent's Receive.
//
// The producer in props runs in the parent. If it panics, so does Spawn, and there is no child.
// Spawn panics with a [*PropsError] for Props that [CheckProps] refuses.
func Spawn(ctx Context, props *Props, opts SpawnOptions) *PID {
	l := link{exited: opts.Monitor, ready: opts.Ready}
	aside, ok := ctx.(*process.Aside)
	if !ok {
		return new(spawner).child(ctx, props, l, opts.Name)
	}
	s, kept := aside.Cache.(*spawner)
	if !kept {
		s = new(spawner)
		aside.Cache = s
	}
	l.born = &aside.Born
	return s.child(ctx, props, l, opts.Name)
}

// SpawnRoot starts an actor without a parent. It takes Props with a guardian, and panics as [Spawn]
// does for others. On a 32-bit platform it also panics for a system that [NewSystem] has not made.
func SpawnRoot(sys *System, props *Props, name string) *PID {
	if err := process.CheckSystem(sys); err != nil {
		panic(err)
	}
	if err := checkRootProps(props); err != nil {
		panic(err)
	}
	var s spawner
	s.linked = withMailbox(props, &s)
	return s.spawn(sys, sys.Root, nil, name)
}

// spawner keeps the Props of the last spawn, because a copy of them costs more than a spawn. It
// belongs to one actor.
type spawner struct {
	props  *Props // of the last spawn
	linked *Props // the copy with the mailbox of this package
	link   link
	made   *mailbox // during a spawn: the mailbox of the new actor
}

func (s *spawner) child(ctx Context, props *Props, l link, name string) *PID {
	if props == nil || props != s.props || l != s.link {
		if err := CheckProps(props); err != nil {
			panic(err)
		}
		s.props, s.linked, s.link = props, withMailbox(props, s), l
	}
	return s.spawn(ctx.ActorSystem(), ctx, ctx.Self(), name)
}

// namer spawns under a name: an actor or the root.
type namer interface {
	SpawnNamed(props *Props, name string) (*PID, error)
}

// spawn panics with the value that the user's code panics with, and leaves nothing behind then.
// parent is nil for an actor without one.
func (s *spawner) spawn(sys *System, by namer, parent *PID, name string) *PID {
	id, spawned := "", false
	defer func() {
		if !spawned && s.made != nil {
			s.made.discard(sys, parent, id)
		}
		s.made = nil
	}()
	const tries = 100 // middleware might call every name taken
	for range tries {
		id = prefix(name) + sys.ProcessRegistry.NextId()
		pid, err := by.SpawnNamed(s.linked, id)
		switch {
		case guard.Is(err, pa.ErrNameExists): // it may be middleware's: no method of it is called
			continue
		case err != nil:
			panic(err)
		case pid == nil || s.made == nil || !s.made.at(pid):
			disown(sys, parent, pid)
			panic(notOurs(pid))
		}
		spawned = true
		return pid
	}
	panic(pa.ErrNameExists)
}

// disown stops the process at pid, which protoactor-go has made a child of parent.
func disown(sys *System, parent, pid *PID) {
	if Alive(sys, pid) {
		stop(sys, pid, func() {})
		return
	}
	process.System(sys, parent, &pa.Terminated{Who: pid, Why: process.Released})
}

// at reports whether the mailbox is that of pid.
func (m *mailbox) at(pid *PID) bool {
	return m.self != nil && m.self.Id == pid.Id && m.self.Address == pid.Address
}

// whoCall asks a mailbox of this package for itself. It is answered when it is posted.
type whoCall struct{ mailbox *mailbox }

// discard ends an actor whose spawn has failed after its mailbox was made. It may be half an actor:
// in the registry, and never started.
func (m *mailbox) discard(sys *System, parent *PID, id string) {
	if m.self != nil {
		process.System(sys, m.self, &process.Exit{Reason: ErrKilled})
		return
	}
	if parent != nil {
		id = parent.Id + "/" + id
	}
	pid, who := sys.NewLocalPID(id), &whoCall{}
	process.System(sys, pid, who)
	if who.mailbox == m {
		sys.ProcessRegistry.Remove(pid)
	}
}

// prefix keeps the name apart from the part that the system makes up.
func prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + "-"
}
