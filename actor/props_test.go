package actor

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

func TestPropsHaveTheFieldsThatAreLookedAt(t *testing.T) {
	for _, field := range [][]int{spawnerField, producerField, guardianField} {
		require.Len(t, field, 1, "protoactor-go has renamed a field of Props")
	}
	require.Equal(t, "spawner", reflect.TypeFor[Props]().FieldByIndex(spawnerField).Name)
}

// guardian is a strategy for Props that a child can't have.
var guardian = pa.NewOneForOneStrategy(0, 0, func(any) pa.Directive { return pa.EscalateDirective })

// refusedProps are Props that can't make a child, by a word of the error.
func refusedProps() map[string]*Props {
	nothing := func(Context) {}
	return map[string]*Props{
		"nil":            nil,
		"no producer":    {},
		"spawn function": poolProps(3, nothing),
		"guardian":       pa.PropsFromFunc(nothing, pa.WithGuardian(guardian)),
	}
}

func TestPropsThatCantBeSupervisedAreRefused(t *testing.T) {
	for word, props := range refusedProps() {
		t.Run(word, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				pid := l.child(func(ctx Context) {
					if ctx.Message() == "go" {
						Spawn(ctx, props, SpawnOptions{Monitor: true, Ready: true})
					}
				})
				Send(l.sys, pid, "go")
				refused, ok := errors.AsType[*PropsError](l.exited(pid))
				require.True(l, ok)
				require.Contains(l, refused.problem, word)
				require.NotEmpty(l, refused.want)
				require.Equal(l, refused, CheckProps(props))
				require.ErrorContains(l, refused, refused.problem+"; want "+refused.want)
				require.Equal(l, before, l.processes(), "something is left behind")
			})
		})
	}
}

func TestSpawnRootRefusesPropsThatCantBeSupervised(t *testing.T) {
	inLab(t, func(l *lab) {
		for word, props := range refusedProps() {
			if word == "guardian" {
				require.ErrorIs(l, l.shutdown(SpawnRoot(l.sys, props, "root")), ErrShutdown)
				continue
			}
			require.Panics(l, func() { SpawnRoot(l.sys, props, "root") }, word)
		}
	})
}

// inSomeCrashes is inEachCrash for a panic and for a Goexit: what the panic is with makes no
// difference here.
func inSomeCrashes(t *testing.T, f func(l *lab, crash func(), is func(error) bool)) {
	for _, c := range crashes {
		if c.name == "panic" || c.name == "Goexit" {
			t.Run(c.name, func(t *testing.T) {
				inLab(t, func(l *lab) { f(l, c.crash, c.is) })
			})
		}
	}
}

// options are those of protoactor-go that Props may have.
func options(l *lab) map[string]pa.PropsOption {
	return map[string]pa.PropsOption{
		"mailbox":                 pa.WithMailbox(pa.Bounded(1)),
		"supervisor":              pa.WithSupervisor(guardian),
		"broken dispatcher":       pa.WithDispatcher(brokenDispatcher{}),
		"default dispatcher":      pa.WithDispatcher(pa.NewDefaultDispatcher(0)),
		"synchronized dispatcher": pa.WithDispatcher(pa.NewSynchronizedDispatcher(-1)),
		"receiver middleware": pa.WithReceiverMiddleware(func(next pa.ReceiverFunc) pa.ReceiverFunc {
			return func(ctx pa.ReceiverContext, env *pa.MessageEnvelope) { next(ctx, env) }
		}),
		"sender middleware": pa.WithSenderMiddleware(func(next pa.SenderFunc) pa.SenderFunc {
			return func(ctx pa.SenderContext, to *PID, env *pa.MessageEnvelope) { next(ctx, to, env) }
		}),
		"spawn middleware": pa.WithSpawnMiddleware(func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
				return next(sys, id, props, ctx)
			}
		}),
		"context decorator": pa.WithContextDecorator(func(next pa.ContextDecoratorFunc) pa.ContextDecoratorFunc {
			return func(ctx Context) Context { return next(&decorated{ctx}) }
		}),
		"init function": pa.WithOnInit(func(ctx Context) {
			ctx.Send(ctx.Self(), "early")
			Send(l.sys, ctx.Self(), "early")
		}),
	}
}

type decorated struct{ Context }

// TestPropsWithAnyOptionAreSupervised from Ready to Exited.
func TestPropsWithAnyOptionAreSupervised(t *testing.T) {
	for _, name := range []string{
		"mailbox", "supervisor", "default dispatcher", "broken dispatcher", "synchronized dispatcher",
		"receiver middleware", "sender middleware", "spawn middleware", "context decorator", "init function",
	} {
		t.Run(name, func(t *testing.T) {
			inSomeCrashes(t, func(l *lab, crash func(), is func(error) bool) {
				if name == "synchronized dispatcher" {
					// A crash on the sender's goroutine ends that, too.
					is = func(err error) bool { return err != nil }
				}
				got := make(chan any, 10)
				option := options(l)[name]
				require.NotNil(l, option)
				pid := l.spawn(pa.PropsFromFunc(func(ctx Context) {
					switch m := ctx.Message().(type) {
					case *Started:
						Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{})
					case string:
						if m == "go" {
							crash()
						}
						got <- m
						ctx.Send(l.parent, &Ready{PID: ctx.Self()})
					}
				}, option), SpawnOptions{Monitor: true, Ready: true})
				require.Equal(l, pid.Id, wait(l, l.news).(*Ready).PID.Id)
				Send(l.sys, pid, "hello")
				for m := wait(l, got); m != "hello"; m = wait(l, got) {
					require.Equal(l, "early", m)
				}
				done := make(chan struct{})
				go func() { defer close(done); Send(l.sys, pid, "go") }()
				<-done
				require.True(l, is(l.exited(pid)))
				l.quiet()
			})
		})
	}
}

// badOptions are options of Props whose code fails while the actor is spawned.
func badOptions(crash func()) map[string]pa.PropsOption {
	return map[string]pa.PropsOption{
		"init function": pa.WithOnInit(func(Context) { crash() }),
		"producer":      pa.WithProducer(func() Actor { crash(); return nil }),
	}
}

type brokenDispatcher struct{}

func (brokenDispatcher) Throughput() int { return -1 }
func (brokenDispatcher) Schedule(func()) { panic("closed") }

func TestASpawnThatFailsLeavesNothingBehind(t *testing.T) {
	for _, name := range []string{"init function", "producer"} {
		t.Run(name, func(t *testing.T) {
			inSomeCrashes(t, func(l *lab, crash func(), is func(error) bool) {
				before := l.processes()
				props := pa.PropsFromFunc(func(Context) {}, badOptions(crash)[name])
				pid := l.child(func(ctx Context) {
					if ctx.Message() == "go" {
						Spawn(ctx, props, SpawnOptions{})
					}
				})
				Send(l.sys, pid, "go")
				require.True(l, is(l.exited(pid)))
				synctest.Wait()
				require.Equal(l, before, l.processes())
			})
		})
	}
}

// TestSpawnMiddlewareThatReturnsAnotherPIDIsRefused, and nothing that it has spawned is left
// behind.
func TestSpawnMiddlewareThatReturnsAnotherPIDIsRefused(t *testing.T) {
	other := pa.NewPID("nonhost", "other")
	for name, middleware := range map[string]pa.SpawnMiddleware{
		"another actor": func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, _ *Props, ctx pa.SpawnerContext) (*PID, error) {
				return next(sys, id, pa.PropsFromFunc(func(Context) {}), ctx)
			}
		},
		"another PID": func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
				_, err := next(sys, id, props, ctx)
				return other, err
			}
		},
		"no PID": func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
				_, err := next(sys, id, props, ctx)
				return nil, err
			}
		},
		"an error": func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
				_, _ = next(sys, id, props, ctx)
				return nil, errBoom
			}
		},
		"a name that exists, always": func(pa.SpawnFunc) pa.SpawnFunc {
			return func(*System, string, *Props, pa.SpawnerContext) (*PID, error) { return nil, pa.ErrNameExists }
		},
		"Goexit": func(next pa.SpawnFunc) pa.SpawnFunc {
			return func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
				_, _ = next(sys, id, props, ctx)
				runtime.Goexit()
				return nil, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				before := l.processes()
				pid := l.spawn(pa.PropsFromFunc(func(ctx Context) {
					if ctx.Message() == "go" {
						Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{Monitor: true})
					}
				}, pa.WithSpawnMiddleware(middleware)), SpawnOptions{Monitor: true})
				Send(l.sys, pid, "go")
				require.Error(l, l.exited(pid))
				synctest.Wait()
				require.Equal(l, before, l.processes())
			})
		})
	}
}

func TestNamesThatAreTakenAreLeftAlone(t *testing.T) {
	inLab(t, func(l *lab) {
		taken := map[string]bool{}
		next := pa.NewActorSystem() // makes the same names
		for range 100 {
			next.ProcessRegistry.NextId()
		}
		for range 50 {
			id := next.ProcessRegistry.NextId()
			for _, name := range []string{"monitor" + id, "cell" + id, "root-" + id, l.parent.Id + "/child-" + id} {
				_, free := l.sys.ProcessRegistry.Add(&monitor{}, name)
				require.True(l, free)
				taken[name] = true
			}
		}
		for range 90 {
			l.sys.ProcessRegistry.NextId()
		}
		other := process.Register(l.sys, &monitor{}, "cell")
		require.False(l, taken[other.Id], other.Id)
		for _, pid := range []*PID{l.root(func(Context) {}), l.child(func(Context) {})} {
			require.False(l, taken[pid.Id], pid.Id)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			reason, err := Shutdown(ctx, l.sys, pid)
			cancel()
			require.NoError(l, err)
			require.ErrorIs(l, reason, ErrShutdown)
		}
	})
}
