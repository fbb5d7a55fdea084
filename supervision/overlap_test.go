package supervision_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// Events while a static supervisor starts or stops children.

// slowB has a child b that needs a second to stop.
func (r *rig) slowB(strategy supervision.Strategy) supervision.Spec {
	spec := r.abc(strategy)
	spec.Children[1].Props = r.trapper("b", time.Second)
	return spec
}

func TestSiblingEndsWhileItsGroupStops(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.slowB(supervision.OneForAll))
		a := r.pid(sup, "a")
		r.takeLog()
		r.send(r.pid(sup, "c"), errBoom)
		r.send(a, errBoom)
		time.Sleep(time.Second)
		require.Equal(r, []string{"-c", "?b", "-a", "-b", "+a", "+c"}, r.takeLog())
		require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, r.count(sup))
		require.Equal(r, 1, r.children(sup)["a"].Restarts, "it was about to be stopped anyway: that counts once")
		r.stop(sup)
	})
}

func TestChildOutsideTheGroupEndsWhileItStops(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.slowB(supervision.RestForOne))
		a := r.pid(sup, "a")
		r.takeLog()
		b := r.pid(sup, "b")
		r.send(b, errBoom) // a message that b ignores
		r.send(r.pid(sup, "c"), errBoom)
		require.Equal(r, []string{"-c", "+c"}, r.takeLog())
		r.send(b, exit{errBoom})
		require.Equal(r, []string{"-b", "-c", "+c"}, r.takeLog())

		answered := make(chan error, 1)
		r.send(sup, &supervision.TerminateRequest{ID: "b", Reply: func(err error) { answered <- err }})
		r.send(a, errBoom) // waits for b
		require.Equal(r, []string{"?b", "-a"}, r.takeLog())
		time.Sleep(time.Second)
		require.NoError(r, <-answered)
		require.Equal(r, []string{"-b", "-c", "+a", "+c"}, r.takeLog())
		r.stop(sup)
	})
}

func TestStopWhileAnEndWaits(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.slowB(supervision.OneForOne))
		a := r.pid(sup, "a")
		r.takeLog()
		terminated, counted := make(chan error, 1), make(chan error, 1)
		r.send(sup, &supervision.TerminateRequest{ID: "b", Reply: func(err error) { terminated <- err }})
		r.send(sup, &supervision.CountRequest{Reply: func(_ supervision.Counts, err error) { counted <- err }})
		r.send(a, errBoom)
		r.stop(sup)
		require.ErrorIs(r, <-terminated, supervision.ErrStopping)
		require.ErrorIs(r, <-counted, supervision.ErrStopping)
		require.Equal(r, []string{"?b", "-a", "-b", "-c"}, r.takeLog())
		ended := r.takeEnded()
		require.Len(r, ended, 3)
		require.Equal(r, "a", ended[0].ID)
		require.ErrorIs(r, ended[0].Reason, errBoom)
	})
}

func TestStopWhileANormalEndWaits(t *testing.T) {
	bubble(t, func(r *rig) {
		busy := make(chan struct{})
		quick := r.child("quick")
		quick.Props = r.flaky("quick", 1, 1, func(c actor.Context) { actor.Exit(c, nil) })
		slow := r.child("slow")
		slow.Props = r.flaky("slow", 1, 1, func(actor.Context) { <-busy })
		sup := r.static(supervision.Spec{Children: []supervision.ChildSpec{quick, slow}})
		actor.Stop(r.sys, sup)
		synctest.Wait()
		ended := r.takeEnded()
		require.Len(r, ended, 1)
		require.NoError(r, ended[0].Reason)
		close(busy)
		r.stop(sup)
		require.Len(r, r.takeEnded(), 1)
	})
}

func TestBackoffEndsWhileAnotherChildStops(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.slowB(supervision.OneForOne)
		spec.Backoff.Base = 500 * time.Millisecond
		sup := r.static(spec)
		r.send(r.pid(sup, "a"), errBoom)
		r.send(r.pid(sup, "c"), errBoom)
		r.takeLog()
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "b"))
		require.Equal(r, []string{"?b", "-b"}, r.takeLog()[:2])
		require.Equal(r, supervision.Counts{Specs: 3, Active: 2, Workers: 3}, r.count(sup))
		r.stop(sup)
	})
}

func TestKillWhileChildrenStop(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.static(r.slowB(supervision.OneForOne))
		answers := make(chan error, 2)
		r.send(sup, &supervision.TerminateRequest{ID: "b", Reply: func(err error) { answers <- err }})
		r.send(sup, &supervision.DeleteRequest{ID: "b", Reply: func(err error) { answers <- err }})
		reason := r.reasonOf(sup)
		actor.Kill(r.sys, sup)
		require.ErrorIs(r, reason(), actor.ErrKilled)
		require.ErrorIs(r, <-answers, supervision.ErrStopping)
		require.ErrorIs(r, <-answers, supervision.ErrStopping)
	})
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited, Backoff: supervision.Backoff{Base: time.Hour}})
		r.start(sup, supervision.ChildSpec{ID: "slow", Props: r.trapper("slow", time.Minute)})
		r.start(sup, supervision.ChildSpec{ID: "slower", Props: r.trapper("slower", time.Minute)})
		r.send(r.start(sup, r.child("waits")), errBoom)
		answered := make(chan error, 1)
		r.send(sup, &supervision.TerminateRequest{ID: "slow", Reply: func(err error) { answered <- err }})
		actor.Stop(r.sys, sup)
		synctest.Wait()
		reason := r.reasonOf(sup)
		actor.Kill(r.sys, sup)
		require.ErrorIs(r, reason(), actor.ErrKilled)
		require.ErrorIs(r, <-answered, supervision.ErrStopping)
	})
}

func TestErrorsSayWhatHappened(t *testing.T) {
	exceeded := &supervision.IntensityError{ID: "a", Restarts: 3, Period: 5 * time.Second, Reason: errBoom}
	require.EqualError(t, exceeded,
		`supervision: restart intensity exceeded: child "a": more than 3 in 5s, at last: boom`)
	start := &supervision.StartError{ID: "a", Reason: actor.ErrShutdown}
	require.EqualError(t, start, `supervision: child "a" did not start: actor: shutdown`)
	require.True(t, actor.Abnormal(start), "not a clean end")
	left := &supervision.AbandonedError{
		Reason:   actor.ErrShutdown,
		Children: []supervision.Abandoned{{ID: "a"}, {ID: "b/c"}},
	}
	require.EqualError(t, left, "actor: shutdown; 2 children abandoned: a, b/c")
	require.False(t, actor.Abnormal(left))
	require.EqualError(t, &supervision.AbandonedError{Children: left.Children[:1]},
		"normal end; 1 children abandoned: a")
	require.Equal(t, "Restarting", supervision.Restarting.String())
	require.Contains(t, supervision.Restart(9).String(), "(9)")
}
