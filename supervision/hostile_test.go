package supervision_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard/guardtest"
	"github.com/gentask/gentask/supervision"
)

// ways are how a child can end with an error that user code has made.
var ways = map[string]func(c actor.Context, err error){
	"exit":  actor.Exit,
	"panic": func(_ actor.Context, err error) { panic(err) },
}

// failer is a child that ends with err: in its first start if at once, else when it is sent
// something.
func (r *rig) failer(id string, at int, end func(actor.Context)) supervision.ChildSpec {
	spec := r.child(id)
	if at > 0 {
		spec.Props = r.flaky(id, at, 1, end)
		return spec
	}
	spec.Props = func() *actor.Props {
		return actor.FromFunc(func(c actor.Context) {
			if _, ok := c.Message().(string); ok {
				end(c)
			}
		})
	}
	return spec
}

// Reasons whose methods misbehave are their child's failure, and harm no other.
func TestScenario38_HostileReasonsOfChildren(t *testing.T) {
	for _, c := range guardtest.Errors() {
		for way, end := range ways {
			for kind, start := range supervisors {
				t.Run(fmt.Sprint(kind, " ", way, " ", c.Name), func(t *testing.T) {
					bubble(t, func(r *rig) {
						fail := func(ctx actor.Context) { end(ctx, c.Err) }
						sup := start(r, r.failer("a", 0, fail))
						r.start(sup, r.child("sibling"))
						r.send(r.pid(sup, "a"), "now")
						info := r.children(sup)["a"]
						require.Equal(r, supervision.Running, info.State)
						require.Equal(r, 1, info.Restarts)
						require.NotEmpty(r, info.LastReason.Error())
						require.Contains(r, r.tree(sup).String(), "a (worker): running, 1 restart, last: ")

						_, err := supervision.StartChild(r.Context(), r.sys, sup, r.failer("b", 1, fail))
						var failed *supervision.StartError
						require.ErrorAs(r, err, &failed)
						require.NotEmpty(r, err.Error())
						require.False(r, actor.Abnormal(nil))

						held := r.failer("c", 0, fail)
						held.BeforeRestart = func(_ error, resume func(bool)) { resume(false) }
						r.send(r.start(sup, held), "now")
						for _, e := range r.takeEnded() {
							require.NotEmpty(r, fmt.Sprint(e.Reason))
						}
						require.Equal(r, supervision.Running, r.children(sup)["sibling"].State)
						require.Empty(r, r.stop(sup).Abandoned)
					})
				})
			}
		}
	}
}

// The end of a supervisor carries the reason of a child, and is read by the one above.
func TestScenario38_HostileReasonsReachTheSupervisorAbove(t *testing.T) {
	for _, c := range guardtest.Errors() {
		for way, end := range ways {
			t.Run(way+" "+c.Name, func(t *testing.T) {
				bubble(t, func(r *rig) {
					fail := func(ctx actor.Context) { end(ctx, c.Err) }
					leaf := r.failer("leaf", 0, fail)
					inner, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{leaf}})
					sup := r.static(supervision.Spec{
						Intensity: unlimited,
						Children:  []supervision.ChildSpec{nested(r, "inner", inner, err)},
					})
					r.send(r.pid(r.pid(sup, "inner"), "leaf"), "now")
					info := r.children(sup)["inner"]
					require.Equal(r, 1, info.Restarts)
					require.ErrorIs(r, info.LastReason, supervision.ErrIntensity)
					require.Contains(r, info.LastReason.Error(), `child "leaf": more than 0`)
					r.stop(sup)
				})
			})
		}
	}
}

// A forged Exited may hold anything.
func TestScenario38_ForgedEndsAreHarmless(t *testing.T) {
	for _, c := range append(guardtest.Errors(), guardtest.Case{Name: "exits", Err: guardtest.Exits()}) {
		for kind, start := range supervisors {
			t.Run(kind+" "+c.Name, func(t *testing.T) {
				bubble(t, func(r *rig) {
					sup := start(r, r.child("a"))
					r.send(sup, &actor.Exited{PID: r.pid(sup, "a"), Reason: c.Err})
					require.Contains(r, r.tree(sup).String(), "a (worker): running, 1 restart, last: ")
					r.stop(sup)
				})
			})
		}
	}
}

// misbehaviours are what user code can do to the supervisor that calls it.
func misbehaviours(hang <-chan struct{}) map[string]func() {
	m := map[string]func(){
		"hangs":  func() { <-hang },
		"goexit": runtime.Goexit,
	}
	for _, c := range append(guardtest.Errors()[:4], guardtest.Case{Name: "Error exits", Err: guardtest.Exits()}) {
		m["panics: "+c.Name] = func() { panic(c.Err) }
	}
	m["panics: Error hangs"] = func() { panic(hangingError(hang)) }
	return m
}

// hangingError is an error whose text has to be waited for.
type hangingError <-chan struct{}

func (e hangingError) Error() string {
	<-e
	return "at last"
}

func eachMisbehaviour(t *testing.T, test func(r *rig, misbehave func())) {
	t.Helper()
	for name := range misbehaviours(nil) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				hang := make(chan struct{})
				defer close(hang)
				test(r, misbehaviours(hang)[name])
			})
		})
	}
}

func TestScenario39_OnEventMisbehaves(t *testing.T) {
	eachMisbehaviour(t, func(r *rig, misbehave func()) {
		var calls atomic.Int32
		onEvent := func(supervision.Event) { calls.Add(1); misbehave() }
		static, err := supervision.Static(supervision.Spec{
			Intensity: unlimited, OnEvent: onEvent, Children: []supervision.ChildSpec{r.child("a"), r.child("b")},
		})
		require.NoError(r, err)
		dynamic, err := supervision.Dynamic(supervision.DynamicSpec{Intensity: unlimited, OnEvent: onEvent})
		require.NoError(r, err)
		before := time.Now()
		for _, props := range []*actor.Props{static, dynamic} {
			sup := actor.SpawnRoot(r.sys, props, "sup")
			r.start(sup, r.child("c"))
			for range 10 {
				r.send(r.pid(sup, "c"), errBoom)
			}
			require.Equal(r, 10, r.children(sup)["c"].Restarts)
			require.Empty(r, r.stop(sup).Abandoned)
		}
		require.Less(r, time.Since(before), time.Second, "patience is lost once")
		require.Positive(r, calls.Load())
	})
}

// An OnEvent that hangs costs one goroutine, however often the supervisor is restarted, and gets
// its events when it is back: the first thousand, and how many are missing.
func TestScenario39_OnEventThatHangsForAWhile(t *testing.T) {
	bubble(t, func(r *rig) {
		hang := make(chan struct{})
		var seen []supervision.Event
		inner, err := supervision.Static(supervision.Spec{
			Children: []supervision.ChildSpec{r.child("leaf")},
			OnEvent:  func(e supervision.Event) { <-hang; seen = append(seen, e) },
		})
		sup := r.static(supervision.Spec{
			Intensity: unlimited,
			Children:  []supervision.ChildSpec{nested(r, "inner", inner, err)},
		})
		goroutines := runtime.NumGoroutine()
		for range 1000 {
			r.send(r.pid(r.pid(sup, "inner"), "leaf"), errBoom)
		}
		require.Less(r, runtime.NumGoroutine(), goroutines+10)
		require.Contains(r, r.tree(sup).String(), "1 call stuck")
		close(hang)
		synctest.Wait()
		require.Len(r, seen, 1001)
		r.send(r.pid(r.pid(sup, "inner"), "leaf"), errBoom)
		require.Equal(r, 3000-1000, seen[1001].Dropped, "three for each life, and the first start was one")
		require.Zero(r, seen[1002].Dropped)
		require.NotContains(r, r.tree(sup).String(), "stuck")
		r.stop(sup)
	})
}

func TestScenario39_BeforeRestartMisbehaves(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			eachMisbehaviour(t, func(r *rig, misbehave func()) {
				spec := r.child("a")
				spec.BeforeRestart = func(error, func(bool)) { misbehave() }
				sup := start(r, spec)
				r.start(sup, r.child("b"))
				r.send(r.pid(sup, "a"), errBoom)
				time.Sleep(time.Second)
				if strings.HasSuffix(r.Name(), "hangs") {
					require.Equal(r, supervision.Restarting, r.children(sup)["a"].State, "it has not said yes yet")
					require.Contains(r, r.tree(sup).String(), "1 call stuck")
					require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "a"))
				}
				ended := r.takeEnded()
				require.Len(r, ended, 1)
				require.Equal(r, supervision.Running, r.children(sup)["b"].State)
				r.stop(sup)
			})
		})
	}
}

func TestScenario39_PropsMisbehave(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			eachMisbehaviour(t, func(r *rig, misbehave func()) {
				sup := start(r, r.child("a"))
				producer := func() *actor.Props {
					return actor.FromProducer(func() actor.Actor { misbehave(); return nil })
				}
				all := []func() *actor.Props{producer, func() *actor.Props { misbehave(); return nil }}
				if strings.HasSuffix(r.Name(), "/goexit") {
					all = all[1:] // see TestScenario39_AProducerThatExitsTakesItsSupervisorWithIt
				}
				for _, props := range all {
					spec := r.child("b")
					spec.Props = props
					_, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
					var failed *supervision.StartError
					require.ErrorAs(r, err, &failed)
					require.Equal(r, supervision.Running, r.children(sup)["a"].State)
					require.NotContains(r, r.children(sup), "b")
				}
				require.Empty(r, r.stop(sup).Abandoned)
			})
		})
	}
}

func TestScenario39_AProducerThatExitsTakesItsSupervisorWithIt(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				sup := start(r, r.child("a"))
				reason := r.reasonOf(sup)
				bad := r.child("b")
				exits := func() actor.Actor { runtime.Goexit(); return nil }
				bad.Props = func() *actor.Props { return actor.FromProducer(exits) }
				_, err := supervision.StartChild(r.Context(), r.sys, sup, bad)
				require.Error(r, err)
				require.ErrorIs(r, reason(), actor.ErrGoexit)
				require.Equal(r, []string{"+a", "-a"}, r.takeLog(), "with all its children")
			})
		})
	}
}

// A Props function that hangs costs one goroutine, however often its child is tried, and what comes
// of it too late is killed.
func TestScenario39_PropsThatHangAreNotCalledAgain(t *testing.T) {
	for kind, start := range supervisors {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(r *rig) {
				hang := make(chan struct{})
				calls := 0
				spec := r.child("a")
				spec.Props = func() *actor.Props {
					if calls++; calls == 2 {
						<-hang
					}
					return r.worker("a")()
				}
				sup := start(r, spec)
				r.send(r.pid(sup, "a"), errBoom)
				before := time.Now()
				for range 100 {
					_, err := supervision.Count(r.Context(), r.sys, sup)
					require.NoError(r, err)
				}
				require.Equal(r, supervision.PropsTime, time.Since(before), "patience is lost once")
				info, err := supervision.Child(r.Context(), r.sys, sup, "a")
				require.NoError(r, err)
				require.ErrorIs(r, info.LastReason, supervision.ErrPropsStuck)
				require.Equal(r, 2, calls)
				close(hang)
				for r.count(sup).Active == 0 {
					time.Sleep(time.Millisecond)
				}
				require.Equal(r, 3, calls)
				require.NotNil(r, r.pid(sup, "a"))
				require.Empty(r, r.stop(sup).Abandoned)
			})
		})
	}
}

// Calls that hang are waited for less and less, and not without end.
func TestScenario39_ManyPropsThatHang(t *testing.T) {
	bubble(t, func(r *rig) {
		hang := make(chan struct{})
		defer close(hang)
		sup := r.dynamic(supervision.DynamicSpec{})
		var calls atomic.Int32
		spec := supervision.ChildSpec{Restart: supervision.Temporary, Props: func() *actor.Props {
			calls.Add(1)
			<-hang
			return nil
		}}
		before := time.Now()
		for range 1500 {
			actor.Send(r.sys, sup, &supervision.StartRequest{Spec: spec})
		}
		for r.count(sup).Specs > 0 {
			time.Sleep(time.Millisecond)
		}
		require.Less(r, time.Since(before), 2*time.Minute, "a moment each")
		require.Equal(r, int32(1000), calls.Load())
		r.stop(sup)
	})
}
