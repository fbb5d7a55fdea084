package supervision_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

func (r *rig) significant(id string, restart supervision.Restart) supervision.ChildSpec {
	spec := r.child(id)
	spec.Restart, spec.Significant = restart, true
	return spec
}

func TestAutoShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		auto  supervision.AutoShutdown
		exits []exit // of a and b, one after the other
		stops bool
	}{
		"any, transient normal":     {supervision.AnySignificant, []exit{{nil}}, true},
		"any, transient shutdown":   {supervision.AnySignificant, []exit{{actor.ErrShutdown}}, true},
		"any, transient crash":      {supervision.AnySignificant, []exit{{errBoom}}, false},
		"all, the first":            {supervision.AllSignificant, []exit{{nil}}, false},
		"all, the last":             {supervision.AllSignificant, []exit{{nil}, {errBoom}}, true},
		"all, one comes back first": {supervision.AllSignificant, []exit{{errBoom}, {errBoom}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := r.static(supervision.Spec{
					Intensity: unlimited, AutoShutdown: c.auto,
					Children: []supervision.ChildSpec{
						r.significant("a", supervision.Transient),
						r.significant("b", supervision.Temporary), r.child("c"),
					},
				})
				reason := r.reasonOf(sup)
				pids := []*actor.PID{r.pid(sup, "a"), r.pid(sup, "b")}
				r.takeLog()
				for i, e := range c.exits {
					r.send(pids[i], e)
				}
				require.Equal(r, !c.stops, actor.Alive(r.sys, sup))
				if !c.stops {
					r.stop(sup)
				}
				require.ErrorIs(r, reason(), actor.ErrShutdown)
				require.Contains(r, r.takeLog(), "-c")
			})
		})
	}
}

func TestAChildThatWaitsForItsRestartIsNotGone(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(supervision.Spec{
			Intensity: unlimited, AutoShutdown: supervision.AllSignificant,
			Backoff: supervision.Backoff{Base: time.Minute},
			Children: []supervision.ChildSpec{
				r.significant("a", supervision.Transient),
				r.significant("b", supervision.Transient),
			},
		})
		b := r.pid(sup, "b")
		r.send(r.pid(sup, "a"), errBoom)
		r.send(b, exit{nil})
		require.True(r, actor.Alive(r.sys, sup))
		time.Sleep(time.Minute)
		require.NotNil(r, r.pid(sup, "a"))
		r.stop(sup)
	})
}

func TestTerminateByHandNeverTriggersAutoShutdown(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(supervision.Spec{
			Intensity: unlimited, AutoShutdown: supervision.AnySignificant, Strategy: supervision.OneForAll,
			Children: []supervision.ChildSpec{
				r.significant("a", supervision.Transient), r.significant("b", supervision.Temporary), r.child("c"),
			},
		})
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
		r.send(r.pid(sup, "c"), errBoom) // stops b for good, which doesn't trigger it either
		require.NotContains(r, r.children(sup), "b")
		require.True(r, actor.Alive(r.sys, sup))
		r.stop(sup)
	})
}

func TestUnknownPIDsAreIgnored(t *testing.T) {
	for name, start := range supervisors {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				old := r.pid(sup, "a")
				r.send(old, errBoom)
				r.send(sup, &actor.Exited{PID: old, Reason: errBoom})
				r.send(sup, &actor.Exited{PID: r.notify, Reason: errBoom})
				r.send(sup, &actor.Exited{})
				r.send(sup, &actor.Ready{PID: old})
				r.send(sup, &actor.Ready{})
				r.send(sup, "whatever")
				require.Equal(r, []string{"+a", "-a", "+a"}, r.takeLog())
				r.stop(sup)
			})
		})
	}
}

func TestEventsInOrderAndPanickingSubscribers(t *testing.T) {
	bubble(t, func(r *rig) {
		var kinds []supervision.EventKind
		props, err := supervision.Static(supervision.Spec{
			Intensity: supervision.Intensity{Restarts: 1},
			Children:  []supervision.ChildSpec{r.child("a")},
			OnEvent: func(e supervision.Event) {
				kinds = append(kinds, e.Kind)
				panic("a bug of the subscriber's")
			},
		})
		require.NoError(r, err)
		sup := actor.SpawnRoot(r.sys, props, "static")
		r.send(r.pid(sup, "a"), errBoom)
		r.send(sup, &supervision.CountRequest{})
		r.stop(sup)
		require.Equal(r, []supervision.EventKind{
			supervision.ChildStarted, supervision.ChildExited, supervision.ChildRestarting, supervision.ChildStarted,
			supervision.SupervisorStopping, supervision.ChildExited,
		}, kinds)
		require.Equal(r, "ChildRestarting", supervision.ChildRestarting.String())
	})
}

func TestBadSpecsAreRefusedByField(t *testing.T) {
	props := func() *actor.Props { return nil }
	child := func(change func(*supervision.ChildSpec)) supervision.Spec {
		c := supervision.ChildSpec{ID: "a", Props: props}
		change(&c)
		return supervision.Spec{AutoShutdown: supervision.AnySignificant, Children: []supervision.ChildSpec{c}}
	}
	static := map[string]supervision.Spec{
		"Spec.Strategy":           {Strategy: 3},
		"Spec.AutoShutdown":       {AutoShutdown: 3},
		"Spec.Intensity.Restarts": {Intensity: supervision.Intensity{Restarts: -1}},
		"Spec.Intensity.Period":   {Intensity: supervision.Intensity{Period: -1}},
		"Spec.Backoff.Base":       {Backoff: supervision.Backoff{Base: -1}},
		"Spec.Backoff.Max":        {Backoff: supervision.Backoff{Base: 2, Max: 1}},
		"Spec.Backoff.Jitter":     {Backoff: supervision.Backoff{Jitter: math.NaN()}},
		"Spec.Children[0].ID":     child(func(c *supervision.ChildSpec) { c.ID = "" }),
		"Spec.Children[1].ID": {Children: []supervision.ChildSpec{
			{ID: "a", Props: props},
			{ID: "a", Props: props},
		}},
		"Spec.Children[0].Props":       child(func(c *supervision.ChildSpec) { c.Props = nil }),
		"Spec.Children[0].Restart":     child(func(c *supervision.ChildSpec) { c.Restart = 3 }),
		"Spec.Children[0].Shutdown":    child(func(c *supervision.ChildSpec) { c.Shutdown = -time.Second }),
		"Spec.Children[0].Significant": child(func(c *supervision.ChildSpec) { c.Significant = true }), // and permanent
	}
	for field, spec := range static {
		_, err := supervision.Static(spec)
		require.ErrorIs(t, err, supervision.ErrConfig, field)
		require.ErrorContains(t, err, field+" is ")
	}
	_, err := supervision.Static(supervision.Spec{
		Children: []supervision.ChildSpec{{ID: "a", Props: props, Significant: true, Restart: supervision.Transient}},
	})
	require.ErrorContains(t, err, "Spec.Children[0].Significant", "nothing would come of it")

	for field, spec := range map[string]supervision.DynamicSpec{
		"DynamicSpec.Intensity.Restarts":      {Intensity: supervision.Intensity{Restarts: -1}},
		"DynamicSpec.ChildIntensity.Restarts": {ChildIntensity: &supervision.Intensity{Restarts: -1}},
		"DynamicSpec.Intensity": {
			Intensity: supervision.Intensity{Restarts: 1}, ChildIntensity: &supervision.Intensity{Restarts: 1},
		},
		"DynamicSpec.MaxChildren": {MaxChildren: -1},
		"DynamicSpec.Backoff.Max": {Backoff: supervision.Backoff{Max: -1}},
	} {
		_, err := supervision.Dynamic(spec)
		require.ErrorIs(t, err, supervision.ErrConfig, field)
		require.ErrorContains(t, err, field+" is ")
	}
}

func TestBadChildrenAreRefusedByField(t *testing.T) {
	bubble(t, func(r *rig) {
		for name, start := range supervisors {
			sup := start(r, r.child("a"))
			for field, spec := range map[string]supervision.ChildSpec{
				"ChildSpec.Props": {ID: "b"},
				"ChildSpec.Significant": {
					ID: "b", Props: r.worker("b"), Significant: true,
					Restart: supervision.Temporary,
				},
				"ChildSpec.Shutdown": {ID: "b", Props: r.worker("b"), Shutdown: -3},
			} {
				_, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
				require.ErrorIs(r, err, supervision.ErrConfig, name)
				require.ErrorContains(r, err, field+" is ")
			}
			r.stop(sup)
		}
	})
}
