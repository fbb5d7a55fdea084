package supervision_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// model is what a static supervisor should do, with lists only.
type model struct {
	spec     supervision.Spec
	kids     []*modelChild
	restarts []time.Time
	log      []string
	over     bool // the supervisor has ended
}

type modelChild struct {
	supervision.ChildSpec
	runs bool
}

func (m *model) start(c *modelChild) {
	c.runs = true
	m.log = append(m.log, "+"+c.ID)
}

func (m *model) stop(c *modelChild) {
	if c.runs {
		c.runs = false
		m.log = append(m.log, "-"+c.ID)
	}
	if c.Restart == supervision.Temporary {
		m.kids = slices.DeleteFunc(slices.Clone(m.kids), func(o *modelChild) bool { return o == c })
	}
}

func (m *model) stopAll() {
	m.over = true
	for _, c := range slices.Backward(m.kids) {
		m.stop(c)
	}
}

func (m *model) exits(c *modelChild, reason error) {
	if c.Restart == supervision.Permanent || c.Restart == supervision.Transient && actor.Abnormal(reason) {
		m.restart(c)
		return
	}
	m.stop(c)
	significant := func(o *modelChild) bool { return o.Significant && o.runs }
	switch {
	case !c.Significant,
		m.spec.AutoShutdown == supervision.AllSignificant && slices.ContainsFunc(m.kids, significant):
	default:
		m.stopAll()
	}
}

func (m *model) restart(c *modelChild) {
	c.runs = false
	m.log = append(m.log, "-"+c.ID)
	m.restarts = slices.DeleteFunc(m.restarts,
		func(t time.Time) bool { return time.Since(t) > m.spec.Intensity.Period })
	if m.restarts = append(m.restarts, time.Now()); len(m.restarts) > m.spec.Intensity.Restarts {
		m.stopAll()
		return
	}
	group := []*modelChild{c}
	switch m.spec.Strategy {
	case supervision.OneForOne:
	case supervision.OneForAll:
		group = m.kids
	case supervision.RestForOne:
		group = m.kids[slices.Index(m.kids, c):]
	}
	for _, o := range slices.Backward(group) {
		m.stop(o)
	}
	for _, o := range group {
		if o.Restart != supervision.Temporary {
			m.start(o)
		}
	}
}

// run is a supervisor, its model, and what can be done to both.
type run struct {
	*rig
	model
	sup  *actor.PID
	made int
}

func (x *run) drawChild(t *rapid.T) supervision.ChildSpec {
	x.made++
	spec := supervision.ChildSpec{ID: fmt.Sprint("c", x.made), Restart: rapid.SampledFrom(restarts).Draw(t, "restart")}
	spec.Props = x.worker(spec.ID)
	spec.Significant = x.spec.AutoShutdown != supervision.Never && spec.Restart != supervision.Permanent &&
		rapid.Bool().Draw(t, "significant")
	return spec
}

var restarts = []supervision.Restart{supervision.Permanent, supervision.Transient, supervision.Temporary}

func (x *run) drawKid(t *rapid.T, runs bool) *modelChild {
	var kids []*modelChild
	for _, c := range x.kids {
		if c.runs == runs {
			kids = append(kids, c)
		}
	}
	if x.over || len(kids) == 0 {
		t.Skip("nobody there")
	}
	return rapid.SampledFrom(kids).Draw(t, "child")
}

func (x *run) Exit(t *rapid.T) {
	c := x.drawKid(t, true)
	reason := rapid.SampledFrom([]error{nil, errBoom, actor.ErrShutdown, actor.ErrKilled}).Draw(t, "reason")
	x.send(x.pid(x.sup, c.ID), exit{reason})
	x.exits(c, reason)
}

func (x *run) Terminate(t *rapid.T) {
	c := x.drawKid(t, rapid.Bool().Draw(t, "runs"))
	require.NoError(t, supervision.TerminateChild(x.Context(), x.sys, x.sup, c.ID))
	x.model.stop(c)
}

func (x *run) Restart(t *rapid.T) {
	c := x.drawKid(t, false)
	_, err := supervision.RestartChild(x.Context(), x.sys, x.sup, c.ID)
	require.NoError(t, err)
	x.model.start(c)
}

func (x *run) Delete(t *rapid.T) {
	c := x.drawKid(t, false)
	require.NoError(t, supervision.DeleteChild(x.Context(), x.sys, x.sup, c.ID))
	x.kids = slices.DeleteFunc(slices.Clone(x.kids), func(o *modelChild) bool { return o == c })
}

func (x *run) Start(t *rapid.T) {
	if x.over {
		t.Skip("over")
	}
	c := &modelChild{ChildSpec: x.drawChild(t)}
	_, err := supervision.StartChild(x.Context(), x.sys, x.sup, c.ChildSpec)
	require.NoError(t, err)
	x.kids = append(x.kids, c)
	x.model.start(c)
}

func (x *run) Wait(*rapid.T) { time.Sleep(time.Second) }

// check compares the supervisor with its model.
func (x *run) check(t *rapid.T) {
	require.Equal(t, x.model.log, x.takeLog())
	x.model.log = nil
	require.Equal(t, !x.over, actor.Alive(x.sys, x.sup))
	if x.over {
		return
	}
	list, err := supervision.Children(x.Context(), x.sys, x.sup)
	require.NoError(t, err)
	require.Len(t, list, len(x.kids))
	for i, c := range x.kids {
		require.Equal(t, c.ID, list[i].ID)
		require.Equal(t, c.runs, list[i].PID != nil)
	}
}

func TestStaticSupervisorsAgreeWithTheModel(t *testing.T) {
	bubble(t, func(r *rig) {
		// Without its Deadline, which a bubble forbids to ask for.
		rapid.Check(struct{ rapid.TB }{r.T}, func(t *rapid.T) {
			x := &run{rig: r}
			x.spec.Strategy = supervision.Strategy(rapid.IntRange(0, 2).Draw(t, "strategy"))
			x.spec.AutoShutdown = supervision.AutoShutdown(rapid.IntRange(0, 2).Draw(t, "auto-shutdown"))
			x.spec.Intensity = supervision.Intensity{
				Restarts: rapid.IntRange(0, 5).Draw(t, "intensity"),
				Period:   3 * time.Second,
			}
			for range rapid.IntRange(0, 5).Draw(t, "children") {
				c := x.drawChild(t)
				x.spec.Children = append(x.spec.Children, c)
				x.kids = append(x.kids, &modelChild{ChildSpec: c})
			}
			for _, c := range x.kids {
				x.model.start(c)
			}
			x.sup = r.static(x.spec)
			x.check(t)
			t.Repeat(map[string]func(*rapid.T){
				"": x.check, "exit": x.Exit, "terminate": x.Terminate, "restart": x.Restart,
				"delete": x.Delete, "start": x.Start, "wait": x.Wait,
			})
			if !x.over {
				r.stop(x.sup)
				x.stopAll()
			}
			x.check(t)
		})
	})
}
