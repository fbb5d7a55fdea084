package supervision_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// Ten times as many children cost ten times as much, give or take. A quadratic cost takes a
// hundred times as much.
func TestScenario43_CostsAreLinear(t *testing.T) {
	const few, factor, tolerated = 1000, 10, 40
	for name, c := range linear {
		t.Run(name, func(t *testing.T) {
			var ratio float64
			for range 5 { // other work on this machine can only make it look worse
				small := c(t, few)
				ratio = float64(c(t, factor*few)) / float64(small)
				if ratio < tolerated {
					return
				}
			}
			t.Errorf("%d times as many children cost %.0f times as much", factor, ratio)
		})
	}
}

// linear holds what is done to n children; each returns how long that took.
var linear = map[string]func(t *testing.T, n int) time.Duration{
	"terminate, last first": func(t *testing.T, n int) time.Duration {
		return many(t, n, supervision.Spec{}, func(m *multitude) {
			for i := n - 1; i >= 0; i-- {
				actor.Send(m.sys, m.sup, &supervision.TerminateRequest{ID: fmt.Sprint(i)})
			}
		})
	},
	"ends, last first": func(t *testing.T, n int) time.Duration {
		return many(t, n, supervision.Spec{}, func(m *multitude) {
			for i := n - 1; i >= 0; i-- {
				actor.Send(m.sys, m.pids[i], exit{errBoom})
			}
		})
	},
	"significant ends": func(t *testing.T, n int) time.Duration {
		return many(t, n, supervision.Spec{AutoShutdown: supervision.AllSignificant}, func(m *multitude) {
			for _, pid := range m.pids {
				actor.Send(m.sys, pid, exit{nil})
			}
		})
	},
	"start and delete": func(t *testing.T, n int) time.Duration {
		return many(t, 1, supervision.Spec{}, func(m *multitude) {
			spec := supervision.ChildSpec{Restart: supervision.Transient, Props: m.spec(0, false).Props}
			for i := range n {
				spec.ID = fmt.Sprint("n", i)
				actor.Send(m.sys, m.sup, &supervision.StartRequest{Spec: spec})
				actor.Send(m.sys, m.sup, &supervision.TerminateRequest{ID: spec.ID})
				actor.Send(m.sys, m.sup, &supervision.DeleteRequest{ID: spec.ID})
			}
		})
	},
	"stop": func(t *testing.T, n int) time.Duration {
		return many(t, n, supervision.Spec{}, func(m *multitude) {
			_, err := stop(context.Background(), m.sys, m.sup)
			require.NoError(t, err)
		})
	},
	"restarts in a long window": func(t *testing.T, n int) time.Duration {
		spec := supervision.Spec{Intensity: supervision.Intensity{Restarts: 1 << 20, Period: time.Hour}}
		return many(t, 1, spec, func(m *multitude) {
			for range n {
				child, err := supervision.Child(context.Background(), m.sys, m.sup, "0")
				require.NoError(t, err)
				actor.Send(m.sys, child.PID, exit{errBoom})
			}
		})
	},
	"deaf children of a dynamic supervisor, each with a time of its own": func(
		t *testing.T, n int,
	) (took time.Duration) {
		before := time.Now()
		synctest.Test(t, func(t *testing.T) {
			sys := actor.NewSystem(actor.SystemConfig{})
			props, err := supervision.Dynamic(supervision.DynamicSpec{})
			require.NoError(t, err)
			sup := actor.SpawnRoot(sys, props, "dynamic")
			deaf := actor.FromFunc(func(c actor.Context) {
				if _, ok := c.Message().(*actor.Started); ok {
					actor.TrapStop(c)
				}
			})
			for i := range n {
				actor.Send(sys, sup, &supervision.StartRequest{Spec: supervision.ChildSpec{
					Props:    func() *actor.Props { return deaf },
					Shutdown: time.Second + time.Duration(i)*time.Millisecond,
				}})
			}
			count, err := supervision.Count(t.Context(), sys, sup) // a stop would overtake the starts
			require.NoError(t, err)
			require.Equal(t, n, count.Active)
			report, err := stop(t.Context(), sys, sup)
			require.NoError(t, err)
			require.Empty(t, report.Abandoned, "they can be killed")
			time.Sleep(2 * time.Second)
		})
		return time.Since(before)
	},
}

// multitude is a static supervisor with many children.
type multitude struct {
	sys  *actor.System
	sup  *actor.PID
	pids []*actor.PID
}

// many measures what do does, until the supervisor has done with it.
func many(t *testing.T, n int, spec supervision.Spec, do func(*multitude)) time.Duration {
	t.Helper()
	m := &multitude{sys: actor.NewSystem(actor.SystemConfig{}), pids: make([]*actor.PID, n)}
	for i := range n {
		spec.Children = append(spec.Children, m.spec(i, spec.AutoShutdown != supervision.Never))
	}
	if n == 1 {
		spec.Children[0].Restart = supervision.Permanent
	}
	props, err := supervision.Static(spec)
	require.NoError(t, err)
	m.sup = actor.SpawnRoot(m.sys, props, "static")
	_, err = supervision.Count(t.Context(), m.sys, m.sup)
	require.NoError(t, err)
	before := time.Now()
	do(m)
	for actor.Alive(m.sys, m.sup) {
		if n, err := supervision.Count(t.Context(), m.sys, m.sup); err != nil || n.Specs <= 1 {
			break
		}
	}
	took := time.Since(before)
	_, err = stop(t.Context(), m.sys, m.sup)
	require.NoError(t, err)
	return took
}

// spec makes the i-th child.
func (m *multitude) spec(i int, significant bool) supervision.ChildSpec {
	return supervision.ChildSpec{
		ID: fmt.Sprint(i), Restart: supervision.Temporary, Significant: significant,
		Props: func() *actor.Props {
			return actor.FromFunc(func(c actor.Context) {
				switch msg := c.Message().(type) {
				case *actor.Started:
					m.pids[i] = c.Self()
				case exit:
					actor.Exit(c, msg.reason)
				}
			})
		},
	}
}
