package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/guard"
)

// SpawnOptions say how a child is spawned. The zero value is right.
type SpawnOptions struct {
	// Name is the first part of the child's name; the rest is made up, so that no two incarnations share a name. Empty leaves it to the
	// system.
	Name string

	// Monitor sends the parent one *Exited when the child has ended, whatever way.
	Monitor bool

	// Ready sends the parent one *Ready when the child is at work: see the type Ready.
	Ready bool
}

// Exited tells how the actor PID ended. It comes after the actor's last message, and after its children are gone. To a parent it comes after
// protoactor-go's own Terminated. A parent that is itself stopping hears Terminated, but Exited no more; TrapStop lets it hear both.
type Exited struct {
	PID *PID
	// Reason is nil for a normal end; see the package comment.
	Reason error
}

// Spawn starts a child of the actor that ctx belongs to, and returns at once: the child processes
// Started later. Props may be anybody's, protoactor-go's own included: the child gets the mailbox
// of this package. It must be called from within the parent's Receive. The producer in props runs
// in the parent: should it panic, so does Spawn, and there is no child. Spawn panics with a
// *PropsError for Props that [CheckProps] refuses.
func Spawn(ctx Context, props *Props, opts SpawnOptions) *PID {
	var s Spawner
	return s.Spawn(ctx, props, opts)
}

// SpawnRoot starts an actor without a parent, for whoever keeps the PID. Props may be anybody's. It
// panics as [Spawn] does, but takes Props with a guardian, and panics if [CheckSystem] refuses sys.
func SpawnRoot(sys *System, props *Props, name string) *PID {
	if err := CheckSystem(sys); err != nil {
		panic(err)
	}
	if err := checkRootProps(props); err != nil {
		panic(err)
	}
	var s Spawner
	s.linked = withMailbox(props, &s)
	return s.spawn(sys, sys.Root, nil, name)
}

// Spawner spawns like Spawn, at less cost where the same Props come again and again. The zero value
// is ready. It belongs to one actor, and must not be copied after its first use.
type Spawner struct {
	props  *Props // the last that came
	linked *Props // and what was made of them
	link   link
	made   *mailbox // during a spawn: the mailbox of the new actor
}

// Spawn does what the function Spawn does.
func (s *Spawner) Spawn(ctx Context, props *Props, opts SpawnOptions) *PID {
	if l := (link{exited: opts.Monitor, ready: opts.Ready}); props == nil || props != s.props || l != s.link {
		if err := CheckProps(props); err != nil {
			panic(err)
		}
		s.props, s.linked, s.link = props, withMailbox(props, s), l
	}
	return s.spawn(ctx.ActorSystem(), ctx, ctx.Self(), opts.Name)
}

// spawner is who spawns: an actor or the root.
type spawner interface {
	SpawnNamed(props *Props, name string) (*PID, error)
}

// spawn panics with whatever the user's code panics with, and leaves nothing behind then. parent is
// nil for an actor without one.
func (s *Spawner) spawn(sys *System, by spawner, parent *PID, name string) *PID {
	id, spawned := "", false
	defer func() {
		if !spawned && s.made != nil {
			s.made.discard(sys, parent, id)
		}
		s.made = nil
	}()
	const tries = 100 // middleware might say of any name that it exists
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

// disown stops whatever is at pid, which protoactor-go has made a child of parent.
func disown(sys *System, parent, pid *PID) {
	if Alive(sys, pid) {
		stop(sys, pid, func() {})
		return
	}
	sendSystem(sys, parent, &pa.Terminated{Who: pid, Why: released})
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
		sendSystem(sys, m.self, &exitCall{reason: ErrKilled})
		return
	}
	if parent != nil {
		id = parent.Id + "/" + id
	}
	pid, who := sys.NewLocalPID(id), &whoCall{}
	sendSystem(sys, pid, who)
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
