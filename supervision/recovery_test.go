package supervision_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

var unlimited = supervision.Intensity{Restarts: supervision.Unlimited}

func TestBackoffDoublesAndBeginsAgain(t *testing.T) {
	for name, start := range map[string]func(r *rig, b supervision.Backoff) *actor.PID{
		"static": func(r *rig, b supervision.Backoff) *actor.PID {
			return r.static(supervision.Spec{
				Intensity: unlimited, Backoff: b,
				Children: []supervision.ChildSpec{r.child("a")},
			})
		},
		"dynamic": func(r *rig, b supervision.Backoff) *actor.PID {
			sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited, Backoff: b})
			r.start(sup, r.child("a"))
			return sup
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, supervision.Backoff{Base: time.Second, Max: 5 * time.Second})
				for _, seconds := range []int{1, 2, 4, 5, 5} {
					r.requireDelay(sup, time.Duration(seconds)*time.Second)
				}
				time.Sleep(6 * time.Second) // longer than Max: it has recovered
				r.requireDelay(sup, time.Second)
				r.stop(sup)
			})
		})
	}
}

// requireDelay makes the child a fail, and requires that it comes back after delay, and not before.
func (r *rig) requireDelay(sup *actor.PID, delay time.Duration) {
	r.Helper()
	r.send(r.pid(sup, "a"), errBoom)
	time.Sleep(delay - time.Millisecond)
	synctest.Wait()
	require.Equal(r, supervision.Restarting, r.children(sup)["a"].State, "before %v", delay)
	time.Sleep(time.Millisecond)
	synctest.Wait()
	require.Equal(r, supervision.Running, r.children(sup)["a"].State, "after %v", delay)
}

func TestBackoffJitterStaysInItsPart(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{
			Intensity: unlimited, Backoff: supervision.Backoff{
				Base: 10 * time.Second, Max: 10 * time.Second,
				Jitter: 0.5,
			},
		})
		r.start(sup, r.child("a"))
		delays := make(map[time.Duration]bool)
		for range 20 {
			r.send(r.pid(sup, "a"), errBoom)
			before := time.Now()
			for r.children(sup)["a"].State != supervision.Running {
				time.Sleep(100 * time.Millisecond)
			}
			delay := time.Since(before)
			require.GreaterOrEqual(r, delay, 5*time.Second)
			require.LessOrEqual(r, delay, 10*time.Second+100*time.Millisecond)
			delays[delay] = true
		}
		require.Greater(r, len(delays), 1)
		r.stop(sup)
	})
}

// gate keeps what BeforeRestart was given.
type gate struct {
	reasons []error
	resume  func(bool)
}

func (g *gate) hold(reason error, resume func(bool)) {
	g.reasons = append(g.reasons, reason)
	g.resume = resume
}

func TestBeforeRestartHoldsTheRestartBack(t *testing.T) {
	bubble(t, func(r *rig) {
		var g gate
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited, MaxChildren: 1})
		spec := r.child("a")
		spec.BeforeRestart = g.hold
		r.start(sup, spec)
		for i := range 3 {
			r.send(r.pid(sup, "a"), errBoom)
			require.Len(r, g.reasons, i+1)
			require.ErrorIs(r, g.reasons[i], errBoom)
			time.Sleep(time.Hour)
			require.Equal(r, supervision.Counts{Specs: 1, Restarting: 1, Workers: 1}, r.count(sup), "it counts")
			_, err := supervision.StartChild(r.Context(), r.sys, sup, r.child("b"))
			require.ErrorIs(r, err, supervision.ErrMaxChildren)
			g.resume(true)
			g.resume(false) // only the first counts
			synctest.Wait()
			require.Equal(r, supervision.Running, r.children(sup)["a"].State)
		}
		r.stop(sup)
	})
}

func TestBeforeRestartGivesUp(t *testing.T) {
	for name, hold := range map[string]func(error, func(bool)){
		"no":    func(_ error, resume func(bool)) { resume(false) },
		"panic": func(error, func(bool)) { panic("bug") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.child("a")
				spec.BeforeRestart = hold
				dynamic := r.dynamic(supervision.DynamicSpec{Intensity: unlimited})
				r.send(r.start(dynamic, spec), errBoom)
				static := r.static(supervision.Spec{Intensity: unlimited, Children: []supervision.ChildSpec{spec}})
				r.send(r.pid(static, "a"), errBoom)
				ended := r.takeEnded()
				require.Len(r, ended, 2)
				for _, e := range ended {
					require.ErrorIs(r, e.Reason, supervision.ErrRefused)
					require.ErrorIs(r, e.Reason, errBoom)
				}
				require.Empty(r, r.children(dynamic))
				require.Equal(r, supervision.Idle, r.children(static)["a"].State)
				r.stop(dynamic)
				r.stop(static)
			})
		})
	}
}

func TestBeforeRestartOfAGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		var b, c gate
		spec := r.abc(supervision.OneForAll)
		spec.Children[1].BeforeRestart = b.hold
		spec.Children[2].BeforeRestart = c.hold
		sup := r.static(spec)
		r.takeLog()
		r.send(r.pid(sup, "a"), errBoom)
		b.resume(true)
		require.Equal(r, []string{"-a", "-c", "-b"}, r.takeLog(), "c is not ready")
		require.Equal(r, supervision.Counts{Specs: 3, Restarting: 3, Workers: 3}, r.count(sup))
		c.resume(false)
		require.Equal(r, []string{"+a", "+b"}, r.takeLog(), "c has been given up, the others have not")
		r.stop(sup)
	})
}

func TestTerminateCallsARestartOff(t *testing.T) {
	bubble(t, func(r *rig) {
		var g gate
		spec := r.abc(supervision.RestForOne)
		spec.Backoff.Base = time.Minute
		spec.Children[1].BeforeRestart = g.hold
		sup := r.static(spec)
		r.takeLog()
		r.send(r.pid(sup, "b"), errBoom)
		_, err := supervision.RestartChild(r.Context(), r.sys, sup, "b")
		require.ErrorIs(r, err, supervision.ErrRestarting)
		require.ErrorIs(r, supervision.DeleteChild(r.Context(), r.sys, sup, "b"), supervision.ErrRestarting)
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "b"))
		require.Equal(r, []string{"-b", "-c", "+c"}, r.takeLog(), "the group waits no longer for b")
		g.resume(true)
		time.Sleep(time.Hour)
		require.Empty(r, r.takeLog())
		require.Equal(r, supervision.Idle, r.children(sup)["b"].State)
		require.Len(r, r.takeEnded(), 1)
		r.stop(sup)
	})
}

func TestResumeOfAnEarlierRestartIsIgnored(t *testing.T) {
	bubble(t, func(r *rig) {
		var g gate
		spec := r.abc(supervision.OneForOne)
		spec.Children[0].BeforeRestart = g.hold
		sup := r.static(spec)
		r.send(r.pid(sup, "a"), errBoom)
		stale := g.resume
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
		_, err := supervision.RestartChild(r.Context(), r.sys, sup, "a")
		require.NoError(r, err)
		r.send(r.pid(sup, "a"), errBoom)
		stale(false)
		synctest.Wait()
		require.Equal(r, supervision.Restarting, r.children(sup)["a"].State)
		g.resume(true)
		synctest.Wait()
		require.Equal(r, supervision.Running, r.children(sup)["a"].State)
		r.stop(sup)
	})
}

func TestTerminateCallsADynamicRestartOff(t *testing.T) {
	bubble(t, func(r *rig) {
		var g gate
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited, Backoff: supervision.Backoff{Base: time.Minute}})
		spec := r.child("")
		spec.BeforeRestart = g.hold
		pid := r.start(sup, spec)
		r.send(pid, errBoom)
		require.ErrorIs(r, supervision.DeleteChild(r.Context(), r.sys, sup, pid.Id), supervision.ErrRestarting)
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, pid.Id),
			"the made-up ID is the first PID's")
		require.ErrorIs(r, supervision.TerminateChild(r.Context(), r.sys, sup, pid.Id), supervision.ErrNotFound)
		g.resume(true)
		time.Sleep(time.Hour)
		require.Empty(r, r.children(sup))
		require.Len(r, r.takeEnded(), 1)
		r.stop(sup)
	})
}

func TestStopCallsRestartsOff(t *testing.T) {
	bubble(t, func(r *rig) {
		var g gate
		spec := r.abc(supervision.OneForAll)
		spec.Backoff.Base = time.Minute
		spec.Children[1].BeforeRestart = g.hold
		static := r.static(spec)
		r.send(r.pid(static, "b"), errBoom)
		dynamic := r.dynamic(supervision.DynamicSpec{Intensity: unlimited})
		held := r.child("d")
		held.BeforeRestart = g.hold
		r.send(r.start(dynamic, held), errBoom)
		before := time.Now()
		r.stop(static)
		r.stop(dynamic)
		require.Equal(r, before, time.Now())
		require.Len(r, r.takeEnded(), 4)
		g.resume(true)
		time.Sleep(time.Hour)
	})
}

func TestEarlierFailureTakesOverAWaitingGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.RestForOne)
		spec.Backoff = supervision.Backoff{Base: time.Minute, Max: time.Hour}
		sup := r.static(spec)
		r.takeLog()
		r.send(r.pid(sup, "b"), errBoom)
		time.Sleep(30 * time.Second)
		r.send(r.pid(sup, "a"), errors.New("later, but before b is back"))
		time.Sleep(59 * time.Second)
		require.Equal(r, []string{"-b", "-c", "-a"}, r.takeLog())
		time.Sleep(time.Second)
		require.Equal(r, []string{"+a", "+b", "+c"}, r.takeLog())
		time.Sleep(time.Hour)
		require.Empty(r, r.takeLog())
		r.stop(sup)
	})
}
