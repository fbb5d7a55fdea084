package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"
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

// Spawn starts a child of the actor that ctx belongs to, and returns at once: the child processes Started later. Props may be anybody's,
// protoactor-go's own included: the child gets the mailbox of this package. It must be called from within the parent's Receive. The producer in
// props runs in the parent: should it panic, so does Spawn, and there is no child.
func Spawn(ctx Context, props *Props, opts SpawnOptions) *PID {
	return ctx.SpawnPrefix(withMailbox(props, link{exited: opts.Monitor, ready: opts.Ready}), prefix(opts.Name))
}

// Spawner spawns like Spawn, at less cost where the same Props come again and again. The zero value is ready. It belongs to one actor.
type Spawner struct {
	props  *Props // the last that came
	linked *Props // and what was made of them
	link   link
}

// Spawn does what the function Spawn does.
func (s *Spawner) Spawn(ctx Context, props *Props, opts SpawnOptions) *PID {
	if l := (link{exited: opts.Monitor, ready: opts.Ready}); props != s.props || l != s.link {
		s.props, s.linked, s.link = props, withMailbox(props, l), l
	}
	return ctx.SpawnPrefix(s.linked, prefix(opts.Name))
}

// SpawnRoot starts an actor without a parent, for whoever keeps the PID. Props may be anybody's.
func SpawnRoot(sys *System, props *Props, name string) *PID {
	return sys.Root.SpawnPrefix(withMailbox(props, link{}), prefix(name))
}

// prefix keeps the name apart from the part that the system makes up.
func prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + "-"
}

// withMailbox returns a copy of props that makes mailboxes with the given link. A copy of the struct costs one allocation, Props.Clone a
// dozen.
func withMailbox(props *Props, l link) *Props {
	cp := *props
	return cp.Configure(pa.WithMailbox(func() pa.Mailbox { return &mailbox{link: l} }))
}
