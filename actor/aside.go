package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"
)

// AsideSpawner spawns children of an actor on any goroutine, so that a producer which does not
// return can't hold up the actor. The zero value is ready. It belongs to one goroutine at a time,
// and to one actor.
type AsideSpawner struct {
	spawner Spawner
	parent  aside
	born    Actor  // during a spawn: what the producer has made
	adopt   *Props // makes nothing: it returns adoptee
	adoptee *PID
}

// Spawn spawns a child of the actor parent, as the function [Spawn] does, and returns its PID and
// the actor that the producer made. The actor belongs to its own mailbox: it must be looked at
// only. parent does not know the child before [AsideSpawner.Adopt].
func (s *AsideSpawner) Spawn(sys *System, parent *PID, props *Props, opts SpawnOptions) (*PID, Actor) {
	l := link{exited: opts.Monitor, ready: opts.Ready, born: &s.born}
	if in := &s.spawner; props == nil || props != in.props || l != in.link {
		if err := CheckProps(props); err != nil {
			panic(err)
		}
		in.props, in.linked, in.link = props, withMailbox(props, in), l
	}
	s.parent.sys, s.parent.self = sys, parent
	pid := s.spawner.spawn(sys, &s.parent, parent, opts.Name)
	born := s.born
	s.born = nil
	return pid, born
}

// Adopt makes the actor that ctx belongs to the parent of pid in the books of protoactor-go, so
// that its end waits for the end of pid. It must be called from within the parent's Receive, and
// once.
func (s *AsideSpawner) Adopt(ctx Context, pid *PID) {
	if s.adopt == nil {
		s.adopt = pa.PropsFromProducer(nil, pa.WithSpawnFunc(
			func(*System, string, *Props, pa.SpawnerContext) (*PID, error) { return s.adoptee, nil }))
	}
	s.adoptee = pid
	_, _ = ctx.SpawnNamed(s.adopt, "") // it returns no error
	s.adoptee = nil
}

// aside stands for the parent where its context can't be used.
type aside struct {
	pa.SpawnerContext
	sys  *System
	self *PID
}

// Self returns the PID of the parent.
func (a *aside) Self() *PID { return a.self }

// SpawnNamed does what the parent's context does, but for the entry in its children.
func (a *aside) SpawnNamed(props *Props, name string) (*PID, error) {
	return pa.DefaultSpawner(a.sys, a.self.Id+"/"+name, props, a)
}
