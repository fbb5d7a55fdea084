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

// slowStarter returns a factory of children that need d for each start, fail as long as fail
// returns an error, and crash when they are sent an error.
func (r *rig) slowStarter(id string, d time.Duration, fail func() error) func() *actor.Props {
	return func() *actor.Props {
		return actor.FromFunc(func(c actor.Context) {
			switch m := c.Message().(type) {
			case *actor.Started:
				time.Sleep(d)
				if err := fail(); err != nil {
					r.note("!%s", id)
					actor.Exit(c, err)
					return
				}
				r.note("+%s", id)
			case *actor.Stopped:
				r.note("-%s", id)
			case exit:
				actor.Exit(c, m.reason)
			case error:
				panic(m)
			}
		})
	}
}

func never() error { return nil }

// requireNobodyAbandoned stops the supervisor, and checks that each child was treated as one that
// keeps its time.
func (r *rig) requireNobodyAbandoned(sup *actor.PID) {
	r.Helper()
	require.Empty(r, r.stop(sup).Abandoned)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		require.NotContains(r, []supervision.EventKind{supervision.ChildKilled, supervision.ChildAbandoned},
			e.Kind, e.ID)
	}
}

// A terminate request waits behind a slow start; meanwhile its child ends by itself.
func TestScenario43_AnEndThatHasArrivedIsNotWaitedFor(t *testing.T) {
	for _, shutdown := range []time.Duration{0, supervision.Infinity} {
		bubble(t, func(r *rig) {
			a := r.child("a")
			a.Shutdown = shutdown
			sup := r.static(supervision.Spec{Intensity: unlimited, Children: []supervision.ChildSpec{a}})
			pid := r.pid(sup, "a")
			slow := r.child("slow")
			slow.Props = r.slowStarter("slow", time.Minute, never)
			actor.Send(r.sys, sup, &supervision.StartRequest{Spec: slow})
			answered := make(chan error, 1)
			r.send(sup, &supervision.TerminateRequest{ID: "a", Reply: func(err error) { answered <- err }})
			r.send(pid, errBoom)
			before := time.Now()
			require.NoError(r, <-answered)
			require.Equal(r, time.Minute, time.Since(before), "as long as the start took")
			require.Equal(r, supervision.Idle, r.children(sup)["a"].State)
			ended := r.takeEnded()
			require.Len(r, ended, 1)
			require.ErrorIs(r, ended[0].Reason, errBoom, "it ended by itself")
			r.requireNobodyAbandoned(sup)
		})
	}
}

// Two members of a group crash while a third is still starting.
func TestScenario43_AGroupComesBackWhicheverChildHasCrashed(t *testing.T) {
	for _, strategy := range []supervision.Strategy{supervision.OneForAll, supervision.RestForOne} {
		t.Run(strategy.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				spec := r.abc(strategy)
				for i := range spec.Children {
					spec.Children[i].Shutdown = supervision.Infinity
				}
				spec.Children[2].Props = r.slowStarter("c", time.Second, never)
				spec.OnEvent = r.onEvent
				pids := make(map[string]*actor.PID)
				sup := r.static(spec)
				for _, id := range []string{"a", "b"} {
					pids[id] = r.eventPID(id)
				}
				r.send(pids["a"], errBoom)
				r.send(pids["b"], errBoom)
				time.Sleep(3 * time.Second)
				require.Equal(r, supervision.Counts{Specs: 3, Active: 3, Workers: 3}, r.count(sup))
				for id, c := range r.children(sup) {
					require.Equal(r, supervision.Running, c.State, id)
				}
				r.requireNobodyAbandoned(sup)
			})
		})
	}
}

// eventPID returns the PID of the child's last start.
func (r *rig) eventPID(id string) (pid *actor.PID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.ID == id && e.Kind == supervision.ChildStarted {
			pid = e.PID
		}
	}
	return pid
}

// A restart that keeps failing lets requests in between its tries, without a back-off too.
func TestScenario43_RequestsAreServedBetweenTries(t *testing.T) {
	for _, strategy := range []supervision.Strategy{
		supervision.OneForOne, supervision.OneForAll,
		supervision.RestForOne,
	} {
		for _, backoff := range []supervision.Backoff{{}, {Base: time.Second}} {
			t.Run(strategy.String(), func(t *testing.T) {
				bubble(t, func(r *rig) {
					spec := r.abc(strategy)
					spec.Intensity, spec.Backoff = unlimited, backoff
					failing := errors.New("not yet")
					broken := false
					spec.Children[0].Props = r.slowStarter("a", 2*time.Second, func() error {
						if broken {
							return failing
						}
						return nil
					})
					sup := r.static(spec)
					a := r.pid(sup, "a")
					time.Sleep(10 * time.Second)
					broken = true
					r.send(a, errBoom)
					time.Sleep(30*time.Second + time.Millisecond)
					before := time.Now()
					list, err := supervision.Children(r.Context(), r.sys, sup)
					require.NoError(r, err)
					require.Equal(r, supervision.Restarting, list[0].State)
					require.ErrorIs(r, list[0].LastReason, failing)
					_, err = supervision.StartChild(r.Context(), r.sys, sup, r.child("d"))
					require.NoError(r, err)
					require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
					require.LessOrEqual(r, time.Since(before), 3*2*time.Second, "each waits for one try at most")
					synctest.Wait()
					require.Equal(r, supervision.Counts{Specs: 4, Active: 3, Workers: 4}, r.count(sup),
						"the others don't stay down")
					require.Equal(r, supervision.Idle, r.children(sup)["a"].State)
					r.requireNobodyAbandoned(sup)
				})
			})
		}
	}
}

// A Props function that fails at once, without an intensity or a back-off, makes the supervisor
// busy and not deaf.
func TestScenario43_AStartThatFailsAtOnceLeavesRoomForRequests(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.RestForOne)
		spec.Intensity = unlimited
		starts := 0
		good := r.worker("b")
		spec.Children[1].Props = func() *actor.Props {
			if starts++; starts > 1 {
				panic(errBoom)
			}
			return good()
		}
		sup := r.static(spec)
		actor.Send(r.sys, r.pid(sup, "b"), errBoom)
		for range 100 {
			_, err := supervision.Count(r.Context(), r.sys, sup)
			require.NoError(r, err)
		}
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "b"))
		require.Equal(r, supervision.Counts{Specs: 3, Active: 2, Workers: 3}, r.count(sup))
		r.requireNobodyAbandoned(sup)
	})
}

// A child that was started by hand while its group waits for the restart of another crashes: no
// child is forgotten.
func TestScenario43_AWaitingCulpritIsNotLostWhenAnotherGroupFails(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.abc(supervision.RestForOne)
		spec.Backoff = supervision.Backoff{Base: time.Minute, Max: time.Hour}
		spec.Children = append(spec.Children, r.child("d"))
		sup := r.static(spec)
		r.send(r.pid(sup, "b"), errBoom)
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "c"))
		_, err := supervision.RestartChild(r.Context(), r.sys, sup, "c")
		require.NoError(r, err)
		r.send(r.pid(sup, "c"), errBoom)
		time.Sleep(time.Hour)
		require.Equal(r, supervision.Counts{Specs: 4, Active: 4, Workers: 4}, r.count(sup))
		r.requireNobodyAbandoned(sup)
	})
}

func TestScenario43_ADynamicStartThatFailsAtOnceLeavesRoomForRequests(t *testing.T) {
	bubble(t, func(r *rig) {
		sup := r.dynamic(supervision.DynamicSpec{Intensity: unlimited})
		spec := supervision.ChildSpec{ID: "bad", Props: func() *actor.Props { panic(errBoom) }, Notify: r.notify}
		actor.Send(r.sys, sup, &supervision.StartRequest{Spec: spec})
		for range 100 {
			_, err := supervision.Count(r.Context(), r.sys, sup)
			require.NoError(r, err)
		}
		r.start(sup, r.child("good"))
		require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "bad"))
		require.Equal(r, supervision.Counts{Specs: 1, Active: 1, Workers: 1}, r.count(sup))
		require.Len(r, r.takeEnded(), 1)
		r.requireNobodyAbandoned(sup)
	})
}
