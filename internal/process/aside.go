package process

import (
	pa "github.com/asynkron/protoactor-go/actor"
)

// Aside is the context of a parent, for spawns on another goroutine: a producer that does not
// return can't hold up the parent. It belongs to one goroutine at a time, and only actor.Spawn may
// use it as a context.
type Aside struct {
	pa.Context // nil: a spawn calls the methods below and no others

	// Born is the actor that the last spawn has made. It belongs to its own mailbox: it must be
	// looked at only.
	Born pa.Actor
	// Cache is what actor.Spawn keeps from one spawn to the next.
	Cache any

	sys     *pa.ActorSystem
	parent  *pa.PID
	adopt   *pa.Props // makes nothing: it returns adoptee
	adoptee *pa.PID
}

// NewAside returns a context for children of the actor that ctx belongs to.
func NewAside(ctx pa.Context) *Aside {
	return &Aside{sys: ctx.ActorSystem(), parent: ctx.Self()}
}

// ActorSystem returns the system of the parent.
func (a *Aside) ActorSystem() *pa.ActorSystem { return a.sys }

// Self returns the PID of the parent.
func (a *Aside) Self() *pa.PID { return a.parent }

// SpawnNamed spawns as the context of the parent does. The child is not in the parent's books
// before [Aside.Adopt].
func (a *Aside) SpawnNamed(props *pa.Props, name string) (*pa.PID, error) {
	return pa.DefaultSpawner(a.sys, a.parent.Id+"/"+name, props, a)
}

// Adopt makes the actor that ctx belongs to the parent of pid in the books of protoactor-go: its
// end waits for the end of pid. It must be called from within the parent's Receive, and once.
func (a *Aside) Adopt(ctx pa.Context, pid *pa.PID) {
	if a.adopt == nil {
		a.adopt = pa.PropsFromProducer(nil, pa.WithSpawnFunc(
			func(*pa.ActorSystem, string, *pa.Props, pa.SpawnerContext) (*pa.PID, error) { return a.adoptee, nil }))
	}
	a.adoptee = pid
	_, _ = ctx.SpawnNamed(a.adopt, "") // it returns no error
	a.adoptee = nil
}
