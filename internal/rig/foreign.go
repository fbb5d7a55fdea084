package rig

import (
	"time"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/actor"
)

// AllForOne spawns a child of props beside one that panics after d, both under a parent whose
// strategy is protoactor-go's own: when one panics it restarts all. The returned function stops the
// parent.
func (r *Rig) AllForOne(props *actor.Props, d time.Duration) (stop func()) {
	sibling := pa.PropsFromFunc(func(ctx pa.Context) {
		if ctx.Message() == "go" {
			time.Sleep(d)
			panic("a sibling's bug")
		}
	})
	parent := r.System.Root.Spawn(pa.PropsFromFunc(func(ctx pa.Context) {
		if _, ok := ctx.Message().(*pa.Started); ok {
			ctx.Spawn(props)
			ctx.Send(ctx.Spawn(sibling), "go")
		}
	}, pa.WithSupervisor(pa.NewAllForOneStrategy(10, time.Second, pa.DefaultDecider))))
	return func() { r.System.Root.Stop(parent) }
}
