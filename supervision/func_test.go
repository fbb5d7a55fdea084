package supervision_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// function makes a child of f.
func (r *rig) function(
	id string, restart supervision.Restart, f func(ctx context.Context) error,
) supervision.ChildSpec {
	return supervision.ChildSpec{ID: id, Props: supervision.Func(f), Restart: restart, Notify: r.notify}
}

func TestFuncEndsAsItReturns(t *testing.T) {
	for name, c := range map[string]struct {
		end   func() error
		check func(reason error) bool
	}{
		"nil": {func() error { return nil }, func(e error) bool { return e == nil }},
		"error": {
			func() error { return fmt.Errorf("about: %w", errBoom) },
			func(e error) bool { return errors.Is(e, errBoom) },
		},
		"panic": {
			func() error { panic(errBoom) },
			func(e error) bool { var p *actor.PanicError; return errors.As(e, &p) },
		},
		"goexit": {
			func() error { runtime.Goexit(); return nil },
			func(e error) bool { return errors.Is(e, actor.ErrGoexit) },
		},
	} {
		for _, restart := range restarts {
			for kind, start := range supervisors {
				t.Run(fmt.Sprint(name, " ", restart, " ", kind), func(t *testing.T) {
					bubble(t, func(r *rig) {
						runs := 0
						sup := start(r, r.function("f", restart, func(ctx context.Context) error {
							if runs++; runs > 1 {
								<-ctx.Done()
								return ctx.Err()
							}
							time.Sleep(time.Second)
							return c.end()
						}))
						require.Equal(r, supervision.Running, r.children(sup)["f"].State, "ready at start")
						time.Sleep(2 * time.Second)
						synctest.Wait()
						crash := name != "nil"
						if restart == supervision.Permanent || restart == supervision.Transient && crash {
							require.Equal(r, 2, runs)
							info := r.children(sup)["f"]
							require.Equal(r, supervision.Running, info.State)
							require.Equal(r, 1, info.Restarts)
							require.True(r, c.check(info.LastReason), "%v", info.LastReason)
						} else {
							require.Equal(r, 1, runs)
							ended := r.takeEnded()
							require.Len(r, ended, 1)
							require.True(r, c.check(ended[0].Reason), "%v", ended[0].Reason)
						}
						require.Empty(r, r.stop(sup).Abandoned)
					})
				})
			}
		}
	}
}

func TestFuncIsToldToStop(t *testing.T) {
	for kind, start := range supervisors {
		for name, ret := range map[string]func(ctx context.Context) error{
			"ctx.Err": func(ctx context.Context) error { return ctx.Err() },
			"cause":   func(ctx context.Context) error { return context.Cause(ctx) },
			"nil":     func(context.Context) error { return nil },
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				bubble(t, func(r *rig) {
					sup := start(r, r.function("f", supervision.Permanent, func(ctx context.Context) error {
						<-ctx.Done()
						time.Sleep(time.Second)
						return ret(ctx)
					}))
					before := time.Now()
					require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "f"))
					require.Equal(r, time.Second, time.Since(before), "it is waited for")
					ended := r.takeEnded()
					require.Len(r, ended, 1)
					require.Equal(r, actor.ErrShutdown, ended[0].Reason)
					require.NotContains(r, r.kinds("f"), supervision.ChildKilled)
					r.stop(sup)
				})
			})
		}
	}
}

func TestFuncThatFailsToStopInTimeIsAbandoned(t *testing.T) {
	for kind, start := range supervisors {
		for _, shutdown := range []time.Duration{0, time.Minute, supervision.Brutal} {
			t.Run(fmt.Sprint(kind, shutdown), func(t *testing.T) {
				bubble(t, func(r *rig) {
					busy := make(chan struct{})
					spec := r.function("deaf", supervision.Permanent,
						func(context.Context) error { <-busy; return nil })
					spec.Shutdown = shutdown
					sup := start(r, spec)
					before := time.Now()
					require.NoError(r, supervision.TerminateChild(r.Context(), r.sys, sup, "deaf"))
					patience := map[time.Duration]time.Duration{
						0:           supervision.DefaultShutdown,
						time.Minute: time.Minute,
					}[shutdown]
					require.Equal(r, patience+supervision.KillTime, time.Since(before))
					require.ErrorIs(r, r.takeEnded()[0].Reason, actor.ErrKilled)
					close(busy)
					kinds := r.kinds("deaf")
					require.Equal(r, supervision.ChildEndedLate, kinds[len(kinds)-1])
					require.Empty(r, r.stop(sup).Abandoned, "it runs no longer")
				})
			})
		}
	}
}

func TestFuncThatIsKilledIsCancelled(t *testing.T) {
	bubble(t, func(r *rig) {
		spec := r.function("f", supervision.Permanent, func(ctx context.Context) error {
			<-ctx.Done()
			r.note("%v", context.Cause(ctx))
			return nil
		})
		spec.Shutdown = supervision.Brutal
		sup := r.static(supervision.Spec{Children: []supervision.ChildSpec{spec}})
		require.Empty(r, r.stop(sup).Abandoned)
		require.Equal(r, []string{actor.ErrKilled.Error()}, r.takeLog())
	})
}

func TestFuncOfNilIsRefused(t *testing.T) {
	_, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{
		{ID: "f", Props: supervision.Func(nil)},
	}})
	require.ErrorIs(t, err, supervision.ErrConfig)
	require.ErrorContains(t, err, "Spec.Children[0].Props is nil")
}

func TestFuncDeclines(t *testing.T) {
	for _, restart := range restarts {
		bubble(t, func(r *rig) {
			decline := func(context.Context) error { return supervision.ErrIgnore }
			spec := r.abc(supervision.OneForAll)
			spec.Children[1] = r.function("b", restart, decline)
			static := r.static(spec)
			dynamic := r.dynamic(supervision.DynamicSpec{})
			r.send(dynamic, &supervision.StartRequest{Spec: r.function("f", restart, decline)})
			require.Equal(r, []string{"+a", "+c"}, r.takeLog(), "no sibling is touched")
			info, known := r.children(static)["b"]
			require.Equal(r, restart != supervision.Temporary, known)
			require.Equal(r, supervision.Idle, info.State)
			require.Empty(r, r.children(dynamic))
			for _, e := range r.takeEnded() {
				require.Equal(r, supervision.ErrIgnore, e.Reason)
			}
			r.stop(static)
			r.stop(dynamic)
		})
	}
}
