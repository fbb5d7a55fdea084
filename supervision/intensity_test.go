package supervision_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

func TestIntensityZeroMeansZero(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForOne)
		spec.Intensity = supervision.Intensity{}
		sup := r.static(spec)
		reason := r.reasonOf(sup)
		r.takeLog()
		r.send(r.pid(sup, "b"), errBoom)
		var exceeded *supervision.IntensityError
		require.ErrorAs(r, reason(), &exceeded)
		require.Equal(r, "b", exceeded.ID)
		require.ErrorIs(r, exceeded.Reason, errBoom)
		require.Equal(r, []string{"-b", "-c", "-a"}, r.takeLog(), "the others stop in reverse")
		require.Len(r, r.takeEnded(), 3)
	})
}

func TestIntensityIsASlidingWindow(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForAll)
		spec.Intensity = supervision.Intensity{Restarts: 2, Period: time.Minute}
		sup := r.static(spec)
		for range 10 { // a group counts once
			r.send(r.pid(sup, "b"), errBoom)
			time.Sleep(31 * time.Second)
		}
		reason := r.reasonOf(sup)
		r.send(r.pid(sup, "b"), errBoom)
		r.send(r.pid(sup, "a"), errBoom)
		require.ErrorIs(r, reason(), supervision.ErrIntensity)
	})
}

func TestNormalEndsNeverCount(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{})
		for range 10 {
			spec := r.child("a")
			spec.Restart = supervision.Transient
			r.send(r.start(sup, spec), exit{nil})
			spec.Restart = supervision.Temporary
			r.send(r.start(sup, spec), errBoom)
		}
		require.Zero(r, r.count(sup).Specs)
		r.stop(sup)
	})
}

// The end by intensity is loud: in OTP it is a shutdown, and a transient supervisor under another
// would stay dead without a word.
func TestIntensityIsACrashToTheSupervisorAbove(t *testing.T) {
	bubble(t, func(r *rig) {
		inner, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{r.child("leaf")}})
		require.NoError(r, err)
		nested := supervision.ChildSpec{
			ID: "inner", Props: func() *actor.Props { return inner }, Restart: supervision.Transient,
			Shutdown: supervision.Infinity,
		}
		outer := r.static(supervision.Spec{
			Intensity: supervision.Intensity{Restarts: 1},
			Children:  []supervision.ChildSpec{nested, r.child("after")},
		})
		require.Equal(r, []string{"+leaf", "+after"}, r.takeLog(), "a nested supervisor is ready when its children are")
		r.send(r.pid(r.pid(outer, "inner"), "leaf"), exit{actor.ErrShutdown}) // permanent: not even that is a clean end
		require.Equal(r, []string{"-leaf", "+leaf"}, r.takeLog())
		require.Equal(r, 1, r.children(outer)["inner"].Restarts)
		r.stop(outer)
		require.Equal(r, []string{"-after", "-leaf"}, r.takeLog())
	})
}

func TestDynamicOverItsIntensity(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: supervision.Intensity{Restarts: 1}})
		reason := r.reasonOf(sup)
		r.start(sup, r.child("a"))
		r.start(sup, r.child("b"))
		r.send(r.pid(sup, "a"), errBoom)
		r.send(r.pid(sup, "b"), errBoom)
		require.ErrorIs(r, reason(), supervision.ErrIntensity)
		require.Len(r, r.takeEnded(), 2)
	})
}

func TestPerChildIntensityGivesUpThatChildAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{ChildIntensity: &supervision.Intensity{Restarts: 2}})
		poison, sibling := r.child("poison"), r.child("sibling")
		poison.Restart = supervision.Transient
		r.start(sup, poison)
		pid := r.start(sup, sibling)
		for range 2 {
			r.send(r.pid(sup, "poison"), errBoom)
		}
		require.Empty(r, r.takeEnded())
		r.send(r.pid(sup, "poison"), errBoom)
		ended := r.takeEnded()
		require.Len(r, ended, 1)
		require.Equal(r, 2, ended[0].Restarts)
		var exceeded *supervision.IntensityError
		require.ErrorAs(r, ended[0].Reason, &exceeded)
		require.ErrorIs(r, exceeded.Reason, errBoom)
		require.Equal(r, pid, r.pid(sup, "sibling"))
		require.Equal(r, supervision.Counts{Specs: 1, Active: 1, Workers: 1}, r.count(sup))
		require.Equal(r, supervision.ChildGivenUp, r.kinds("poison")[len(r.kinds("poison"))-1])
		r.stop(sup)
	})
}

func TestPerChildIntensityIsNotShared(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{ChildIntensity: &supervision.Intensity{Restarts: 2}})
		for _, id := range []string{"a", "b", "c"} {
			r.start(sup, r.child(id))
			r.send(r.pid(sup, id), errBoom)
			r.send(r.pid(sup, id), errBoom)
		}
		require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, r.count(sup))
		r.stop(sup)
	})
}

func TestUnlimited(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: supervision.Intensity{Restarts: supervision.Unlimited}})
		r.start(sup, r.child("a"))
		for range 100 {
			r.send(r.pid(sup, "a"), errBoom)
		}
		require.Equal(r, 100, r.children(sup)["a"].Restarts)
		r.stop(sup)
	})
}

// A Props function that always fails, and an intensity without a limit, keep the supervisor busy,
// but not deaf.
func TestFactoryThatAlwaysFails(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{
			Intensity: supervision.Intensity{Restarts: supervision.Unlimited},
			Backoff:   supervision.Backoff{Base: time.Second, Max: time.Second},
		})
		bad := supervision.ChildSpec{Props: func() *actor.Props { panic(errBoom) }, Notify: r.notify}
		actor.Send(r.sys, sup, &supervision.StartRequest{Spec: bad})
		actor.Send(r.sys, sup, &supervision.StartRequest{Spec: bad})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(r, r.children(sup), 2)
		require.Equal(r, supervision.Counts{Specs: 2, Restarting: 2, Workers: 2}, r.count(sup))
		r.stop(sup)
		require.Len(r, r.takeEnded(), 2)
	})
}
