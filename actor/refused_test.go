package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/supervision"
)

// unsupervisable are Props whose end no supervisor could be told of. The first are like a router's.
func unsupervisable() map[string]func() *actor.Props {
	spawn := pa.WithSpawnFunc(func(
		sys *actor.System, id string, _ *actor.Props, _ pa.SpawnerContext,
	) (*actor.PID, error) {
		return sys.NewLocalPID(id), nil
	})
	nothing := func(actor.Context) {}
	return map[string]func() *actor.Props{
		"spawn function":          func() *actor.Props { return pa.PropsFromFunc(nothing, spawn) },
		"spawn function in ours":  func() *actor.Props { return actor.FromFunc(nothing).Configure(spawn) },
		"spawn function, nothing": func() *actor.Props { return (&actor.Props{}).Configure(spawn) },
		"no producer":             func() *actor.Props { return &actor.Props{} },
		"guardian": func() *actor.Props {
			return pa.PropsFromFunc(nothing, pa.WithGuardian(pa.DefaultSupervisorStrategy()))
		},
	}
}

// idle is a child without a fault.
func idle(id string) supervision.ChildSpec {
	return supervision.ChildSpec{ID: id, Props: func() *actor.Props { return actor.FromFunc(func(actor.Context) {}) }}
}

// inBubble runs f with a system and a probe, and ends with all actors gone.
func inBubble(t *testing.T, f func(t *testing.T, sys *actor.System, p *gentasktest.Probe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sys := actor.NewSystem(actor.SystemConfig{})
		f(t, sys, gentasktest.NewProbe(t, sys))
	})
}

func TestAStaticSupervisorEndsForPropsThatCantBeSupervised(t *testing.T) {
	for name, props := range unsupervisable() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
				children := []supervision.ChildSpec{idle("a"), {ID: "b", Props: props}, idle("c")}
				spec := supervision.Spec{Children: children}
				static, err := supervision.Static(spec)
				require.NoError(t, err)
				actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
					switch m := ctx.Message().(type) {
					case *actor.Started:
						actor.Spawn(ctx, static, actor.SpawnOptions{Monitor: true})
					case *actor.Exited:
						ctx.Send(p.PID(), m)
					}
				}), "parent")
				reason := gentasktest.Expect[*actor.Exited](p, time.Second).Reason
				var start *supervision.StartError
				require.ErrorAs(t, reason, &start)
				require.Equal(t, "b", start.ID)
				var refused *actor.PropsError
				require.ErrorAs(t, reason, &refused)
				require.Equal(t, actor.CheckProps(props()), refused)
			})
		})
	}
}

func TestStartChildReturnsWhyThePropsCantBeSupervised(t *testing.T) {
	for name, props := range unsupervisable() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, sys *actor.System, p *gentasktest.Probe) {
				ctx := context.Background()
				dynamic, err := supervision.Dynamic(supervision.DynamicSpec{})
				require.NoError(t, err)
				static, err := supervision.Static(supervision.Spec{})
				require.NoError(t, err)
				for _, of := range []*actor.Props{dynamic, static} {
					sup := actor.SpawnRoot(sys, of, "supervisor")
					_, err := supervision.StartChild(ctx, sys, sup, supervision.ChildSpec{ID: "bad", Props: props})
					var refused *actor.PropsError
					require.ErrorAs(t, err, &refused)
					_, err = supervision.StartChild(ctx, sys, sup, idle("good"))
					require.NoError(t, err)
					_, err = actor.Shutdown(ctx, sys, sup)
					require.NoError(t, err)
				}
				p.ExpectSilence(0)
			})
		})
	}
}

// TestAWorkerThatCantBeSupervisedGivesItsMessageBack with a reason that names the mistake.
func TestAWorkerThatCantBeSupervisedGivesItsMessageBack(t *testing.T) {
	for name, props := range unsupervisable() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				behavior := gentask.Actor(func(gentask.ActorJob[int]) *actor.Props { return props() })
				got := gentasktest.Run(t, behavior, gentasktest.JSON(t, 1), gentask.Config{})
				require.Equal(t, queue.Requeue, got.Disposition)
				require.ErrorContains(t, got.Reason, actor.CheckProps(props()).Error())
			})
		})
	}
}
