package supervision_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// decline is how a child declines in Started.
func decline(c actor.Context) {
	actor.Exit(c, fmt.Errorf("nothing to do here: %w", supervision.ErrIgnore))
}

func TestAStaticSupervisorGoesOnWithoutAChildThatDeclines(t *testing.T) {
	for _, restart := range restarts {
		t.Run(restart.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.abc(supervision.RestForOne)
				spec.Intensity = supervision.Intensity{}
				spec.Children[1].Restart = restart
				spec.Children[1].Props = r.flaky("b", 1, 1, decline)
				sup := r.static(spec)
				require.Equal(r, []string{"+a", "!b", "+c"}, r.takeLog())
				info, known := r.children(sup)["b"]
				require.Equal(r, restart != supervision.Temporary, known,
					"the spec is kept, but for a temporary child's")
				require.Contains(r, r.kinds("b"), supervision.ChildDeclined)
				require.NotContains(r, r.kinds("b"), supervision.ChildStartFailed)
				ended := r.takeEnded()
				require.Len(r, ended, 1)
				require.ErrorIs(r, ended[0].Reason, supervision.ErrIgnore)
				if !known {
					r.stop(sup)
					return
				}
				require.Equal(r, supervision.Idle, info.State)
				require.Nil(r, info.PID)
				_, err := supervision.StartChild(r.Context(), r.sys, sup, r.child("b"))
				require.ErrorIs(r, err, supervision.ErrAlreadyPresent)
				pid, err := supervision.RestartChild(r.Context(), r.sys, sup, "b")
				require.NoError(r, err, "it is asked again")
				require.Equal(r, pid, r.pid(sup, "b"))
				r.stop(sup)
			})
		})
	}
}

func TestStartChildReturnsThatTheChildDeclines(t *testing.T) {
	for _, restart := range restarts {
		t.Run(restart.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				static, dynamic := r.static(supervision.Spec{}), r.dynamic(supervision.DynamicSpec{})
				spec := r.child("x")
				spec.Restart, spec.Props = restart, r.flaky("x", 1, 10, decline)
				for _, sup := range []*actor.PID{static, dynamic} {
					pid, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
					require.ErrorIs(r, err, supervision.ErrIgnore)
					require.ErrorContains(r, err, `"x"`)
					require.Nil(r, pid)
					require.Zero(r, r.count(sup).Active)
				}
				if restart != supervision.Temporary {
					require.Contains(r, r.children(static), "x")
					_, err := supervision.RestartChild(r.Context(), r.sys, static, "x")
					require.ErrorIs(r, err, supervision.ErrIgnore, "again")
					require.NoError(r, supervision.DeleteChild(r.Context(), r.sys, static, "x"))
				}
				require.Empty(r, r.children(static))
				require.Empty(r, r.children(dynamic), "a dynamic supervisor forgets it")
				r.takeEnded()
				spec.Props = r.flaky("x", 1, 10, func(c actor.Context) { actor.Exit(c, supervision.ErrIgnore) })
				r.send(dynamic, &supervision.StartRequest{Spec: spec}) // without a Reply
				require.Empty(r, r.children(dynamic))
				require.Len(r, r.takeEnded(), 1)
				r.stop(static)
				r.stop(dynamic)
			})
		})
	}
}

func TestAChildThatDeclinesInARestartLeavesItsGroupAlone(t *testing.T) {
	for strategy, want := range map[supervision.Strategy][]string{
		supervision.OneForOne:  {"-b", "!b"},
		supervision.OneForAll:  {"-b", "-c", "-a", "+a", "!b", "+c"},
		supervision.RestForOne: {"-b", "-c", "!b", "+c"},
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.abc(strategy)
				spec.Intensity = supervision.Intensity{Restarts: 1}
				spec.Children[1].Props = r.flaky("b", 2, 1, decline)
				sup := r.static(spec)
				r.takeLog()
				r.send(r.pid(sup, "b"), errBoom)
				time.Sleep(time.Minute)
				require.Equal(r, want, r.takeLog())
				require.Equal(r, supervision.Counts{Specs: 3, Active: 2, Workers: 3}, r.count(sup))
				r.stop(sup)
			})
		})
	}
}

func TestADynamicChildThatDeclinesInARestartIsForgotten(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: supervision.Intensity{Restarts: 1}})
		spec := r.child("a")
		spec.Props = r.flaky("a", 2, 1, func(c actor.Context) { actor.Exit(c, supervision.ErrIgnore) })
		r.send(r.start(sup, spec), errBoom)
		require.Empty(r, r.children(sup))
		ended := r.takeEnded()
		require.Len(r, ended, 1)
		require.Equal(r, supervision.ErrIgnore, ended[0].Reason)
		r.stop(sup)
	})
}

func TestToDeclineIsNoAutoShutdown(t *testing.T) {
	bubble(t, func(r *rig) {
		a, b := r.significant("a", supervision.Transient), r.significant("b", supervision.Transient)
		a.Props = r.flaky("a", 1, 1, decline)
		one := r.static(supervision.Spec{
			AutoShutdown: supervision.AnySignificant,
			Children:     []supervision.ChildSpec{a, r.child("c")},
		})
		require.True(r, actor.Alive(r.sys, one))
		r.stop(one)

		a.Props = r.flaky("a", 1, 1, decline)
		all := r.static(supervision.Spec{
			AutoShutdown: supervision.AllSignificant,
			Children:     []supervision.ChildSpec{a, b},
		})
		require.True(r, actor.Alive(r.sys, all))
		r.send(r.pid(all, "b"), exit{nil})
		require.False(r, actor.Alive(r.sys, all), "b was the last that ran")
	})
}

// An error that wraps ErrIgnore may come from another supervisor: a child that runs has crashed
// with it. The same goes for a panic.
func TestOnlyAChildThatStartsDeclinesWithWhatItWraps(t *testing.T) {
	wrapped := fmt.Errorf("another supervisor: %w", supervision.ErrIgnore)
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				r.send(r.pid(sup, "a"), exit{wrapped})
				require.Equal(r, 1, r.children(sup)["a"].Restarts)
				spec := r.child("b")
				spec.Props = r.flaky("b", 1, 1, func(actor.Context) { panic(supervision.ErrIgnore) })
				_, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
				var failed *supervision.StartError
				require.ErrorAs(r, err, &failed)
				r.stop(sup)
			})
		})
	}
}
