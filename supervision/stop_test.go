package supervision_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/supervision"
)

// trapper returns a factory of children that trap stops, and need d to end.
func (r *rig) trapper(id string, d time.Duration) func() *actor.Props {
	return func() *actor.Props {
		return actor.FromFunc(func(c actor.Context) {
			switch m := c.Message().(type) {
			case *actor.Started:
				actor.TrapStop(c)
			case *actor.StopRequest:
				r.note("?%s", id)
				process.SendAfter(c, d, exit{actor.ErrShutdown})
			case exit:
				actor.Exit(c, m.reason)
			case block:
				<-m.until
			case *actor.Stopped:
				r.note("-%s", id)
			}
		})
	}
}

func TestStopIsOneAtATime(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := supervision.Spec{Children: []supervision.ChildSpec{
			{ID: "a", Props: r.trapper("a", time.Second)},
			{ID: "b", Props: r.trapper("b", time.Hour), Shutdown: supervision.Infinity},
			{ID: "c", Props: r.trapper("c", time.Second)},
		}}
		sup := r.static(spec)
		before := time.Now()
		require.Empty(r, r.stop(sup).Abandoned)
		require.Equal(r, []string{"?c", "-c", "?b", "-b", "?a", "-a"}, r.takeLog())
		require.Equal(r, time.Hour+2*time.Second, time.Since(before))
	})
}

func TestDynamicStopIsAllAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{})
		for _, id := range []string{"a", "b", "c"} {
			r.start(sup, supervision.ChildSpec{ID: id, Props: r.trapper(id, time.Second)})
		}
		before := time.Now()
		require.Empty(r, r.stop(sup).Abandoned)
		require.Equal(r, time.Second, time.Since(before))
		log := r.takeLog()
		require.Equal(r, []string{"?a", "?b", "?c"}, sorted(log[:3]))
		require.Equal(r, []string{"-a", "-b", "-c"}, sorted(log[3:]))
	})
}

func TestShutdownTime(t *testing.T) {
	for _, c := range []struct {
		shutdown time.Duration
		takes    time.Duration // the time of a child that takes an hour to end
		hangs    time.Duration // until a child whose Receive hangs is abandoned
	}{
		{0, 5 * time.Second, 5*time.Second + supervision.KillTime},
		{time.Minute, time.Minute, time.Minute + supervision.KillTime},
		{supervision.Brutal, 0, supervision.KillTime},
	} {
		for name, start := range supervisors {
			t.Run(name+" "+c.shutdown.String(), func(t *testing.T) {
				bubble(t, func(r *rig) {
					spec := supervision.ChildSpec{
						ID: "slow", Props: r.trapper("slow", time.Hour), Shutdown: c.shutdown,
						Notify: r.notify,
					}
					before := time.Now()
					require.Empty(r, r.stop(start(r, spec)).Abandoned, "it is killed, which is no abandonment")
					require.Equal(r, c.takes, time.Since(before))
					require.ErrorIs(r, r.takeEnded()[0].Reason, actor.ErrKilled)

					sup := start(r, spec)
					busy := make(chan struct{})
					pid := r.pid(sup, "slow")
					r.send(pid, block{busy})
					before = time.Now()
					report := r.stop(sup)
					require.Equal(r, c.hangs, time.Since(before))
					require.Equal(r, []supervision.Abandoned{{ID: "slow", PID: pid}}, report.Abandoned)
					require.ErrorIs(r, report.Reason, actor.ErrShutdown)
					require.ErrorIs(r, r.takeEnded()[0].Reason, actor.ErrKilled)
					require.Contains(r, r.kinds("slow"), supervision.ChildAbandoned)
					close(busy)
				})
			})
		}
	}
}

// supervisors are both kinds, with one child.
var supervisors = map[string]func(r *rig, spec supervision.ChildSpec) *actor.PID{
	"static": func(r *rig, spec supervision.ChildSpec) *actor.PID {
		return r.static(supervision.Spec{Intensity: unlimited, Children: []supervision.ChildSpec{spec}})
	},
	"dynamic": func(r *rig, spec supervision.ChildSpec) *actor.PID {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited})
		r.start(sup, spec)
		return sup
	},
}

func TestAbandonedChildThatEndsLate(t *testing.T) {
	for name, start := range supervisors {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				busy := make(chan struct{})
				r.send(r.pid(sup, "a"), block{busy})
				require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
				require.Zero(r, r.count(sup).Active)
				require.Len(r, r.takeEnded(), 1)
				close(busy)
				kinds := r.kinds("a")
				require.Equal(r, supervision.ChildEndedLate, kinds[len(kinds)-1])
				require.Empty(r, r.takeEnded(), "there is one end")
				require.Empty(r, r.stop(sup).Abandoned, "it doesn't run any more")
			})
		})
	}
}

func TestReportNamesWhatNestedSupervisorsAbandoned(t *testing.T) {
	bubble(t, func(r *rig) {
		busy := make(chan struct{})
		inner, err := supervision.Static(r.abc(supervision.OneForOne))
		require.NoError(r, err)
		outer := r.static(supervision.Spec{Children: []supervision.ChildSpec{
			{ID: "inner", Props: func() *actor.Props { return inner }, Shutdown: supervision.Infinity},
		}})
		nested := r.pid(outer, "inner")
		hung := r.pid(nested, "b")
		r.send(hung, block{busy})
		report := r.stop(outer)
		require.Equal(r, []supervision.Abandoned{{ID: "inner/b", PID: hung}}, report.Abandoned)
		require.ErrorIs(r, report.Reason, actor.ErrShutdown)
		close(busy)
	})
}

func TestStopDuringAGroupRestart(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.OneForAll)
		spec.Children[1].Props = r.trapper("b", time.Second)
		sup := r.static(spec)
		r.takeLog()
		r.send(r.pid(sup, "c"), errBoom)
		require.Equal(r, []string{"-c", "?b"}, r.takeLog())
		r.stop(sup)
		require.Equal(r, []string{"-b", "-a"}, r.takeLog(), "nobody is told twice, nobody comes back")
		require.Len(r, r.takeEnded(), 3)
	})
}

func TestStopDuringAStart(t *testing.T) {
	bubble(t, func(r *rig) {
		busy := make(chan struct{})
		spec := r.abc(supervision.OneForOne)
		spec.Children[1].Props = r.flaky("b", 1, 1, func(actor.Context) { <-busy })
		sup := r.static(spec)
		actor.Stop(r.sys, sup)
		synctest.Wait()
		close(busy)
		r.stop(sup)
		require.Equal(r, []string{"+a", "!b", "-a"}, r.takeLog())
	})
}

func TestChildIsKilledOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{})
		busy := make(chan struct{})
		r.send(r.start(sup, r.child("a")), block{busy})
		r.send(sup, &supervision.TerminateRequest{ID: "a"})
		time.Sleep(supervision.KillTime / 2)
		require.Len(r, r.stop(sup).Abandoned, 1)
		require.Equal(r, []supervision.EventKind{
			supervision.ChildStarted, supervision.ChildKilled, supervision.ChildAbandoned, supervision.ChildExited,
		}, r.kinds("a"))
		close(busy)
	})
}

func TestKilledSupervisorTakesItsChildrenDown(t *testing.T) {
	for name, start := range supervisors {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				reason := r.reasonOf(sup)
				actor.Kill(r.sys, sup)
				require.ErrorIs(r, reason(), actor.ErrKilled)
				require.Equal(r, []string{"+a", "-a"}, r.takeLog())
			})
		})
	}
}
