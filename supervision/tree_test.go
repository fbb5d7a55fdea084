package supervision_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// nested makes a child of a supervisor's Props.
func nested(r *rig, id string, props *actor.Props, err error) supervision.ChildSpec {
	r.Helper()
	require.NoError(r, err)
	return supervision.ChildSpec{ID: id, Props: func() *actor.Props { return props }, Shutdown: supervision.Infinity}
}

func (r *rig) tree(sup *actor.PID) *supervision.Node {
	r.Helper()
	synctest.Wait()
	root, err := supervision.Tree(r.Context(), r.sys, sup)
	require.NoError(r, err)
	return root
}

// forest is a static supervisor with a static one, a dynamic one and a worker.
func (r *rig) forest() *actor.PID {
	inner, err := supervision.Static(r.abc(supervision.OneForAll))
	static := nested(r, "static", inner, err)
	pool, err := supervision.Dynamic(supervision.DynamicSpec{Intensity: unlimited})
	dynamic := nested(r, "dynamic", pool, err)
	return r.static(supervision.Spec{
		Intensity: unlimited,
		Children:  []supervision.ChildSpec{static, dynamic, r.child("worker")},
	})
}

// lines is the text of a tree, without the name of the root.
func lines(n *supervision.Node) string {
	_, text, _ := strings.Cut(n.String(), " ")
	return "\n" + text
}

func TestTree(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.forest()
		r.start(r.pid(sup, "dynamic"), r.child("y"))
		r.start(r.pid(sup, "dynamic"), r.child("x\x1b[31m"))
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, r.pid(sup, "static"), "c"))
		r.send(r.pid(r.pid(sup, "dynamic"), "y"), errBoom)
		r.send(r.pid(r.pid(sup, "dynamic"), "y"), exit{errors.New("two\nlines")})
		root := r.tree(sup)
		require.Equal(r, `
(static): running
├── static (static): running
│   ├── a (worker): running
│   ├── b (worker): running
│   └── c (worker): idle, last: actor: shutdown
├── dynamic (dynamic): running
│   ├── "x\x1b[31m" (worker): running
│   └── y (worker): running, 2 restarts, last: two...
└── worker (worker): running
`, lines(root))
		require.Equal(r, supervision.TypeStatic, root.Type)
		require.Equal(r, sup, root.PID)
		y := root.Children[1].Children[1]
		require.Equal(r, 2, y.Restarts)
		require.EqualError(r, y.LastReason, "two\nlines")
		require.Equal(r, r.pid(r.pid(sup, "dynamic"), "y"), y.PID)

		types, err := supervision.Count(r.Context(), r.sys, sup)
		require.NoError(r, err)
		require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Supervisors: 2, Workers: 1}, types)
		r.stop(sup)
	})
}

func TestTreeMarksWhatDoesNotAnswer(t *testing.T) {
	bubble(t, func(r *rig) {
		busy := make(chan struct{})
		hung := r.child("hung")
		hung.Props = func() *actor.Props { <-busy; return r.worker("hung")() } // in the supervisor's goroutine
		sup := r.forest()
		actor.Send(r.sys, r.pid(sup, "dynamic"), &supervision.StartRequest{Spec: hung})
		r.send(r.pid(sup, "worker"), block{busy})
		r.send(r.pid(r.pid(sup, "static"), "b"), block{busy})
		before := time.Now()
		require.Equal(r, `
(static): running
├── static (static): running
│   ├── a (worker): running
│   ├── b (worker): running, not answering
│   └── c (worker): running
├── dynamic (supervisor): running, not answering
└── worker (worker): running, not answering
`, lines(r.tree(sup)))
		require.Equal(r, supervision.TreeTime, time.Since(before))

		ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
		defer cancel()
		root, err := supervision.Tree(ctx, r.sys, sup)
		require.NoError(r, err, "the root has answered")
		require.True(r, root.Children[1].NotAnswering)
		_, err = supervision.Tree(r.Context(), r.sys, r.pid(sup, "dynamic"))
		require.ErrorIs(r, err, supervision.ErrNotAnswering)
		ctx, cancel = context.WithCancel(r.Context())
		cancel()
		_, err = supervision.Tree(ctx, r.sys, r.pid(sup, "dynamic"))
		require.ErrorIs(r, err, context.Canceled)

		close(busy)
		require.NotContains(r, r.tree(sup).String(), "not answering")
		r.stop(sup)
		_, err = supervision.Tree(r.Context(), r.sys, sup)
		require.ErrorIs(r, err, actor.ErrNoProcess)
	})
}

// A supervisor that starts or stops a child lets requests wait, but not the inspector.
func TestTreeOfABusySupervisor(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.slowB(supervision.OneForOne)
		spec.Children[2].Props = r.slowStarter("c", 10*time.Second, never)
		sup := r.static(spec)
		r.send(sup, &supervision.TerminateRequest{ID: "b"})
		require.Contains(r, r.tree(sup).String(), "c (worker): starting, not answering\n")
		time.Sleep(10*time.Second - supervision.TreeTime)
		require.Contains(r, r.tree(sup).String(), "b (worker): stopping\n")
		actor.Stop(r.sys, sup)
		require.Equal(r, supervision.Stopping, r.tree(sup).State)
		r.stop(sup)
	})
}

func TestTreeWhileEverythingComesAndGoes(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.forest()
		dynamic := r.pid(sup, "dynamic")
		for i := range 200 {
			spec := r.child(fmt.Sprint(i))
			spec.Restart = supervision.Temporary
			actor.Send(r.sys, r.start(dynamic, spec), exit{nil})
			root, err := supervision.Tree(r.Context(), r.sys, sup)
			require.NoError(r, err)
			require.Len(r, root.Children, 3)
			require.NotContains(r, root.String(), "not answering")
		}
		r.stop(sup)
	})
}

func TestChildByID(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				r.send(r.pid(sup, "a"), errBoom)
				info, err := supervision.Child(r.Context(), r.sys, sup, "a")
				require.NoError(r, err)
				require.Equal(r, r.children(sup)["a"], info)
				require.ErrorIs(r, info.LastReason, errBoom)
				_, err = supervision.Child(r.Context(), r.sys, sup, "x")
				require.ErrorIs(r, err, supervision.ErrNotFound)

				_, err = supervision.StartChild(r.Context(), r.sys, sup, r.child("a"))
				require.ErrorIs(r, err, supervision.ErrAlreadyStarted)
				var started *supervision.AlreadyStartedError
				require.ErrorAs(r, err, &started)
				require.Equal(r, "a", started.ID)
				require.Equal(r, info.PID, started.PID)
				types, err := supervision.Count(r.Context(), r.sys, sup)
				require.NoError(r, err)
				require.Equal(r, supervision.Counts{Specs: 1, Active: 1, Workers: 1}, types)
				r.stop(sup)
				for _, ask := range []func() error{
					func() error { _, err := supervision.Child(r.Context(), r.sys, sup, "a"); return err },
					func() error { _, err := supervision.Count(r.Context(), r.sys, sup); return err },
				} {
					require.ErrorIs(r, ask(), actor.ErrNoProcess)
				}
			})
		})
	}
}

func TestAlreadyStartedWhileItWaitsForItsRestart(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited, Backoff: supervision.Backoff{Base: time.Minute}})
		r.send(r.start(sup, r.child("a")), errBoom)
		_, err := supervision.StartChild(r.Context(), r.sys, sup, r.child("a"))
		var started *supervision.AlreadyStartedError
		require.ErrorAs(r, err, &started)
		require.Nil(r, started.PID)
		require.ErrorContains(r, err, "is being restarted")
		r.stop(sup)
	})
}
