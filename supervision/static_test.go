package supervision_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

func (r *rig) static(spec supervision.Spec) *actor.PID {
	r.Helper()
	spec.OnEvent = r.onEvent
	props, err := supervision.Static(spec)
	require.NoError(r, err)
	sup := actor.SpawnRoot(r.sys, props, "static")
	synctest.Wait()
	return sup
}

// abc has 3 children.
func (r *rig) abc(strategy supervision.Strategy) supervision.Spec {
	return supervision.Spec{
		Strategy:  strategy,
		Intensity: supervision.Intensity{Restarts: 3},
		Children:  []supervision.ChildSpec{r.child("a"), r.child("b"), r.child("c")},
	}
}

func TestStaticStartsInOrderAndStopsInReverse(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.abc(supervision.OneForOne))
		require.Equal(r, []string{"+a", "+b", "+c"}, r.takeLog())
		report := r.stop(sup)
		require.Equal(r, []string{"-c", "-b", "-a"}, r.takeLog())
		require.Equal(r, actor.ErrShutdown, report.Reason)
		require.Empty(r, report.Abandoned)
		require.Len(r, r.takeEnded(), 3, "an orderly stop is the end of each child")
	})
}

func TestStrategies(t *testing.T) {
	for _, c := range []struct {
		strategy supervision.Strategy
		want     []string
	}{
		{supervision.OneForOne, []string{"-b", "+b"}},
		{supervision.OneForAll, []string{"-b", "-c", "-a", "+a", "+b", "+c"}},
		{supervision.RestForOne, []string{"-b", "-c", "+b", "+c"}},
	} {
		t.Run(c.strategy.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := r.static(r.abc(c.strategy))
				r.takeLog()
				r.send(r.pid(sup, "b"), errBoom)
				require.Equal(r, c.want, r.takeLog())
				require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, r.count(sup))
				require.Empty(r, r.takeEnded())
				r.stop(sup)
			})
		})
	}
}

func TestStaticRestartsByKind(t *testing.T) {
	for _, c := range restartRules {
		for _, strategy := range []supervision.Strategy{
			supervision.OneForOne, supervision.OneForAll,
			supervision.RestForOne,
		} {
			bubble(t, func(r *rig) {
				spec := r.abc(strategy)
				spec.Children[1].Restart = c.restart
				sup := r.static(spec)
				r.takeLog()
				r.send(r.pid(sup, "b"), exit{c.reason})
				if c.want {
					require.Contains(r, r.takeLog(), "+b")
					require.Equal(r, 1, r.children(sup)["b"].Restarts)
				} else {
					require.Equal(r, []string{"-b"}, r.takeLog(), "who is not restarted triggers no group restart")
					ended := r.takeEnded()
					require.Len(r, ended, 1)
					require.Equal(r, c.reason, ended[0].Reason)
					_, known := r.children(sup)["b"]
					require.Equal(r, c.restart != supervision.Temporary, known, "only temporary children are forgotten")
				}
				r.stop(sup)
			})
		}
	}
}

func TestTemporaryChildIsNotRestartedWithItsGroup(t *testing.T) {
	for _, strategy := range []supervision.Strategy{supervision.OneForAll, supervision.RestForOne} {
		bubble(t, func(r *rig) {
			spec := r.abc(strategy)
			spec.Children[1].Restart = supervision.Temporary
			sup := r.static(spec)
			r.takeLog()
			r.send(r.pid(sup, "a"), errBoom)
			require.Equal(r, []string{"-a", "-c", "-b", "+a", "+c"}, r.takeLog())
			ended := r.takeEnded()
			require.Len(r, ended, 1)
			require.Equal(r, "b", ended[0].ID)
			require.ErrorIs(r, ended[0].Reason, actor.ErrShutdown)
			r.stop(sup)
		})
	}
}

func TestGroupRestartStartsWhatWasAtRest(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForAll)
		spec.Children[1].Restart = supervision.Transient
		sup := r.static(spec)
		r.send(r.pid(sup, "b"), exit{nil})
		require.Equal(r, supervision.Idle, r.children(sup)["b"].State)
		r.takeLog()
		r.send(r.pid(sup, "a"), errBoom)
		require.Equal(r, []string{"-a", "-c", "+a", "+b", "+c"}, r.takeLog())
		r.stop(sup)
	})
}

// flaky fails its starts from the from-th on, as long as fail lasts.
func (r *rig) flaky(id string, from, fail int, how func(actor.Context)) func() *actor.Props {
	starts := 0
	return func() *actor.Props {
		starts++
		if starts < from || starts >= from+fail {
			return r.worker(id)()
		}
		return actor.FromFunc(func(c actor.Context) {
			if _, ok := c.Message().(*actor.Started); ok {
				r.note("!%s", id)
				how(c)
			}
		})
	}
}

func TestFirstStartThatFailsStopsTheEarlierOnes(t *testing.T) {
	for name, fail := range map[string]func(r *rig) func() *actor.Props{
		"panic": func(r *rig) func() *actor.Props { return r.flaky("c", 1, 1, func(actor.Context) { panic(errBoom) }) },
		"exit": func(r *rig) func() *actor.Props {
			return r.flaky("c", 1, 1, func(c actor.Context) { actor.Exit(c, errBoom) })
		},
		"panic factory": func(*rig) func() *actor.Props { return func() *actor.Props { panic(errBoom) } },
		"nil props":     func(*rig) func() *actor.Props { return func() *actor.Props { return nil } },
		"panic producer": func(*rig) func() *actor.Props {
			return func() *actor.Props { return actor.FromProducer(func() actor.Actor { panic(errBoom) }) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.abc(supervision.OneForOne)
				spec.Children = append(spec.Children, r.child("d"))
				spec.Children[2].Props = fail(r)
				props, err := supervision.Static(spec)
				require.NoError(r, err)
				reason := r.endOf(props)
				var start *supervision.StartError
				require.ErrorAs(r, reason, &start)
				require.Equal(r, "c", start.ID)
				require.True(r, actor.Abnormal(reason))
				log := r.takeLog()
				require.Equal(r, []string{"-b", "-a"}, log[len(log)-2:])
				require.NotContains(r, log, "+d")
			})
		})
	}
}

func TestStartThatFailsInARestartCountsAndIsTriedAgain(t *testing.T) {
	for strategy, want := range map[supervision.Strategy][]string{
		supervision.OneForOne:  {"-b", "!b", "!b", "+b"},
		supervision.OneForAll:  {"-b", "-c", "-a", "+a", "!b", "-a", "+a", "!b", "-a", "+a", "+b", "+c"},
		supervision.RestForOne: {"-b", "-c", "!b", "!b", "+b", "+c"},
	} {
		bubble(t, func(r *rig) {
			spec := r.abc(strategy)
			spec.Children[1].Props = r.flaky("b", 2, 2, func(actor.Context) { panic(errBoom) })
			sup := r.static(spec)
			r.takeLog()
			r.send(r.pid(sup, "b"), errBoom)
			require.Equal(r, want, r.takeLog(), strategy.String())
			require.Equal(r, 3, r.children(sup)["b"].Restarts)
			reason := r.reasonOf(sup)
			r.send(r.pid(sup, "b"), errBoom) // the fourth: the two failed starts were counted
			require.ErrorIs(r, reason(), supervision.ErrIntensity)
		})
	}
}

func TestFailureDuringAGroupStart(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.RestForOne)
		sup := r.static(spec)
		a := r.pid(sup, "a")
		r.takeLog()
		actor.Send(r.sys, r.pid(sup, "c"), errBoom)
		actor.Send(r.sys, a, errors.New("at the same time"))
		log := r.takeLog()
		require.Equal(r, []string{"+a", "+b", "+c"}, log[len(log)-3:])
		require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, r.count(sup))
		_, err := stop(r.Context(), r.sys, sup)
		require.NoError(r, err)
	})
}
