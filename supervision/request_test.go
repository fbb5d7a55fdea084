package supervision_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

func TestStaticStartChild(t *testing.T) {
	bubble(t, func(r *rig) {
		ctx := r.Context()
		spec := r.abc(supervision.OneForOne)
		spec.Children[0].Restart = supervision.Transient
		sup := r.static(spec)
		r.start(sup, r.child("d"))
		_, err := supervision.StartChild(ctx, r.sys, sup, r.child("d"))
		require.ErrorIs(r, err, supervision.ErrAlreadyStarted)
		r.send(r.pid(sup, "a"), exit{nil})
		_, err = supervision.StartChild(ctx, r.sys, sup, r.child("a"))
		require.ErrorIs(r, err, supervision.ErrAlreadyPresent)
		_, err = supervision.StartChild(ctx, r.sys, sup, supervision.ChildSpec{Props: r.worker("x")})
		require.ErrorIs(r, err, supervision.ErrConfig)

		failing := r.child("e")
		failing.Props = r.flaky("e", 1, 1, func(actor.Context) { panic(errBoom) })
		_, err = supervision.StartChild(ctx, r.sys, sup, failing)
		var start *supervision.StartError
		require.ErrorAs(r, err, &start)
		require.ErrorIs(r, err, errBoom)
		require.NotContains(r, r.children(sup), "e", "a child that fails to start is discarded")
		r.takeLog()
		r.stop(sup)
		require.Equal(r, []string{"-d", "-c", "-b"}, r.takeLog())
	})
}

func TestStaticTerminateRestartDelete(t *testing.T) {
	bubble(t, func(r *rig) {
		ctx := r.Context()
		spec := r.abc(supervision.OneForAll)
		spec.Children[2].Restart = supervision.Temporary
		sup := r.static(spec)
		r.takeLog()

		require.ErrorIs(r, supervision.TerminateChild(ctx, r.sys, sup, "x"), supervision.ErrNotFound)
		require.ErrorIs(r, supervision.DeleteChild(ctx, r.sys, sup, "x"), supervision.ErrNotFound)
		require.ErrorIs(r, supervision.DeleteChild(ctx, r.sys, sup, "a"), supervision.ErrRunning)
		_, err := supervision.RestartChild(ctx, r.sys, sup, "x")
		require.ErrorIs(r, err, supervision.ErrNotFound)
		_, err = supervision.RestartChild(ctx, r.sys, sup, "a")
		require.ErrorIs(r, err, supervision.ErrRunning)

		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, "a"))
		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, "a"), "at rest already")
		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, "c"))
		require.Equal(r, []string{"-a", "-c"}, r.takeLog(), "no strategy takes part")
		require.NotContains(r, r.children(sup), "c", "a temporary child is forgotten")
		require.Equal(r, supervision.Counts{Specs: 2, Active: 1, Workers: 2}, r.count(sup))

		pid, err := supervision.RestartChild(ctx, r.sys, sup, "a")
		require.NoError(r, err)
		require.Equal(r, pid, r.pid(sup, "a"))
		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, "a"))
		require.NoError(r, supervision.DeleteChild(ctx, r.sys, sup, "a"))
		require.Equal(r, supervision.Counts{Specs: 1, Active: 1, Workers: 1}, r.count(sup))
		r.stop(sup)
	})
}

func TestRestartChildThatFailsStaysKnown(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForOne)
		spec.Children[0].Props = r.flaky("a", 2, 1, func(c actor.Context) { actor.Exit(c, errBoom) })
		sup := r.static(spec)
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
		_, err := supervision.RestartChild(r.Context(), r.sys, sup, "a")
		require.ErrorIs(r, err, errBoom)
		require.Equal(r, supervision.Idle, r.children(sup)["a"].State)
		_, err = supervision.RestartChild(r.Context(), r.sys, sup, "a")
		require.NoError(r, err)
		r.stop(sup)
	})
}

func TestRequestsDuringAGroupRestartWait(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForAll)
		sup := r.static(spec)
		busy := make(chan struct{})
		r.send(r.pid(sup, "a"), block{busy}) // a takes its time to stop
		r.send(r.pid(sup, "b"), errBoom)
		answered := make(chan supervision.Counts, 1)
		r.send(sup, &supervision.CountRequest{Reply: func(n supervision.Counts, _ error) { answered <- n }})
		require.Empty(r, answered)
		close(busy)
		require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, <-answered)
		r.stop(sup)
	})
}

func TestChildrenAreListedInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.abc(supervision.OneForOne))
		list, err := supervision.Children(r.Context(), r.sys, sup)
		require.NoError(r, err)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
			require.True(r, actor.Alive(r.sys, c.PID))
			require.Equal(r, supervision.Running, c.State)
		}
		require.Equal(r, []string{"a", "b", "c"}, ids)
		r.stop(sup)
	})
}

func TestDynamicRequests(t *testing.T) {
	bubble(t, func(r *rig) {
		ctx := r.Context()
		sup := r.dynamic(supervision.DynamicSpec{MaxChildren: 2})
		a := r.start(sup, r.child("a"))
		_, err := supervision.StartChild(ctx, r.sys, sup, r.child("a"))
		require.ErrorIs(r, err, supervision.ErrAlreadyStarted)
		unnamed := r.start(sup, supervision.ChildSpec{Props: r.worker("u")})
		require.Contains(r, r.children(sup), unnamed.Id)
		_, err = supervision.StartChild(ctx, r.sys, sup, r.child("c"))
		require.ErrorIs(r, err, supervision.ErrMaxChildren)

		_, err = supervision.RestartChild(ctx, r.sys, sup, "a")
		require.ErrorIs(r, err, supervision.ErrRunning)
		require.ErrorIs(r, supervision.DeleteChild(ctx, r.sys, sup, unnamed.Id), supervision.ErrRunning)
		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, a.Id), "a child is known by its PID too")
		require.NoError(r, supervision.TerminateChild(ctx, r.sys, sup, unnamed.Id))
		require.ErrorIs(r, supervision.TerminateChild(ctx, r.sys, sup, "a"), supervision.ErrNotFound)
		_, err = supervision.RestartChild(ctx, r.sys, sup, "a")
		require.ErrorIs(r, err, supervision.ErrNotFound, "a dynamic supervisor forgets")
		require.Zero(r, r.count(sup))
		r.start(sup, r.child("a"))
		r.stop(sup)
	})
}

func TestDynamicStartThatFails(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: supervision.Intensity{Restarts: 1}})
		spec := r.child("a")
		spec.Props = r.flaky("a", 1, 2, func(actor.Context) { panic(errBoom) })
		_, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
		require.ErrorIs(r, err, errBoom)
		require.Zero(r, r.count(sup).Specs, "who asked decides")
		require.Len(r, r.takeEnded(), 1)

		r.send(sup, &supervision.StartRequest{Spec: spec}) // without a Reply it is a crash like any other
		require.Equal(r, 1, r.children(sup)["a"].Restarts)
		r.stop(sup)
	})
}

func TestStartRequestWithoutReplyReportsToNotify(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{MaxChildren: 1})
		r.send(sup, &supervision.StartRequest{Spec: r.child("a")})
		r.send(sup, &supervision.StartRequest{Spec: r.child("b")})
		ended := r.takeEnded()
		require.Len(r, ended, 1)
		require.Equal(r, "b", ended[0].ID)
		require.Nil(r, ended[0].PID)
		require.ErrorIs(r, ended[0].Reason, supervision.ErrMaxChildren)
		r.stop(sup)
	})
}

func TestChildThatHasNothingToDoButStarted(t *testing.T) {
	bubble(t, func(r *rig) {
		quick := r.child("quick")
		quick.Restart = supervision.Transient
		quick.Props = r.flaky("quick", 1, 1, func(c actor.Context) { actor.Exit(c, nil) })
		sup := r.static(supervision.Spec{Children: []supervision.ChildSpec{quick, r.child("b")}})
		require.Equal(r, []string{"!quick", "+b"}, r.takeLog(), "a normal end is no failed start")
		require.Equal(r, supervision.Idle, r.children(sup)["quick"].State)
		r.stop(sup)

		dynamic := r.dynamic(supervision.DynamicSpec{})
		quick.Props = r.flaky("quick", 1, 1, func(c actor.Context) { actor.Exit(c, nil) })
		r.start(dynamic, quick)
		require.Empty(r, r.children(dynamic))
		r.stop(dynamic)
	})
}

func TestASupervisorThatIsGoneDoesNotAnswer(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.abc(supervision.OneForOne))
		r.stop(sup)
		_, err := supervision.Children(r.Context(), r.sys, sup)
		require.ErrorIs(r, err, actor.ErrNoProcess)
		report, err := stop(r.Context(), r.sys, sup)
		require.NoError(r, err)
		require.ErrorIs(r, report.Reason, actor.ErrNoProcess)
	})
}

func TestRequestsWhileTheSupervisorStops(t *testing.T) {
	for name, start := range map[string]func(r *rig, spec supervision.ChildSpec) *actor.PID{
		"static": func(r *rig, spec supervision.ChildSpec) *actor.PID {
			return r.static(supervision.Spec{Children: []supervision.ChildSpec{spec}})
		},
		"dynamic": func(r *rig, spec supervision.ChildSpec) *actor.PID {
			sup := r.dynamic(supervision.DynamicSpec{})
			r.start(sup, spec)
			return sup
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				busy := make(chan struct{})
				r.send(r.pid(sup, "a"), block{busy})
				before := make(chan error, 1)
				r.send(sup, &supervision.TerminateRequest{ID: "a", Reply: func(err error) { before <- err }})
				actor.Stop(r.sys, sup)
				synctest.Wait()
				_, err := supervision.StartChild(r.Context(), r.sys, sup, r.child("b"))
				require.ErrorIs(r, err, supervision.ErrStopping)
				_, err = supervision.Children(r.Context(), r.sys, sup)
				require.ErrorIs(r, err, supervision.ErrStopping)
				_, err = supervision.Count(r.Context(), r.sys, sup)
				require.ErrorIs(r, err, supervision.ErrStopping)
				_, err = supervision.RestartChild(r.Context(), r.sys, sup, "a")
				require.ErrorIs(r, err, supervision.ErrStopping)
				require.ErrorIs(r, supervision.DeleteChild(r.Context(), r.sys, sup, "a"), supervision.ErrStopping)
				require.ErrorIs(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"), supervision.ErrStopping)
				ctx, cancel := context.WithTimeout(r.Context(), time.Second)
				defer cancel()
				_, err = stop(ctx, r.sys, sup)
				require.ErrorIs(r, err, context.DeadlineExceeded)
				close(busy)
				<-before //nolint:errcheck // answered, with any answer
				require.Empty(r, r.stop(sup).Abandoned)
			})
		})
	}
}
