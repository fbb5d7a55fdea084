package scenario_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard/guardtest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// A door is a way by which an error or a panic value of user code comes into a consumer.
type door struct {
	name     string
	behavior func(hostile) gentask.Behavior
	cfg      func(hostile) gentask.Config
}

// hostile returns the error of the job with this id; nil for one that is good.
type hostile func(id string) error

func hostileHandle(f func(ctx context.Context, err error) error) func(hostile) gentask.Behavior {
	return func(of hostile) gentask.Behavior {
		return gentask.Handle(func(ctx context.Context, _ []byte) error {
			job, _ := gentask.FromContext(ctx)
			if err := of(job.ID()); err != nil {
				return f(ctx, err)
			}
			return nil
		})
	}
}

func returned(_ context.Context, err error) error { return err }

// hostileWork lets every run succeed, and hands the error to f in HandleResult.
func hostileWork(f func(job gentask.Job[[]byte], err error) gentask.Decision) func(hostile) gentask.Behavior {
	return func(of hostile) gentask.Behavior {
		w := &rig.Worker[[]byte, int]{
			OnRun: func(context.Context, []byte) (int, error) { return 1, nil },
		}
		w.OnResult = func(job gentask.Job[[]byte], _ task.Outcome[int]) gentask.Decision {
			if err := of(job.ID()); err != nil {
				return f(job, err)
			}
			return gentask.Ack()
		}
		return gentask.Work(w)
	}
}

// hostileActor is a worker that is an actor of the test's own.
func hostileActor(f func(ctx actor.Context, job gentask.ActorJob[[]byte], err error)) func(hostile) gentask.Behavior {
	return func(of hostile) gentask.Behavior {
		return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); !ok {
					return
				}
				if err := of(job.ID()); err != nil {
					f(ctx, job, err)
					return
				}
				_ = job.Settle(gentask.Ack())
				ctx.Stop(ctx.Self())
			})
		})
	}
}

func withPolicy(p func(of hostile) gentask.Policy) func(hostile) gentask.Config {
	return func(of hostile) gentask.Config { return gentask.Config{Policy: p(of)} }
}

// fail is a behaviour whose bad jobs fail, with an error that is harmless.
var fail = hostileHandle(func(context.Context, error) error { return errOwn })

func doors() []door { return slices.Concat(doorsOfRuns(), doorsOfDecisions(), doorsOfPolicies()) }

// doorsOfRuns are in the task of a job.
func doorsOfRuns() []door {
	return []door{
		{name: "returned", behavior: hostileHandle(returned)},
		{name: "panic", behavior: hostileHandle(func(_ context.Context, err error) error { panic(err) })},
		{name: "wrapped", behavior: hostileHandle(func(_ context.Context, err error) error { return fmt.Errorf("because: %w", err) })},
		{name: "permanent", behavior: hostileHandle(func(_ context.Context, err error) error { return gentask.DeadLetter(err) })},
		{name: "attempts", behavior: hostileHandle(func(_ context.Context, err error) error {
			return &gentask.AttemptsError{Attempt: 1, Max: 1, Err: err}
		})},
		{name: "task.Go", behavior: hostileHandle(func(ctx context.Context, err error) error {
			return task.Go(ctx, func(context.Context) error { return err })
		})},
		{name: "panic in task.Go", behavior: hostileHandle(func(ctx context.Context, err error) error {
			return task.Go(ctx, func(context.Context) error { panic(err) })
		})},
		{name: "told to stop", behavior: hostileHandle(func(ctx context.Context, err error) error {
			job, _ := gentask.FromContext(ctx)
			job.Cancel()
			<-ctx.Done()
			return err
		})},
		{name: "after its time", behavior: hostileHandle(func(ctx context.Context, err error) error {
			<-ctx.Done()
			return err
		}), cfg: func(hostile) gentask.Config { return gentask.Config{Timeout: time.Second} }},
	}
}

// doorsOfDecisions are behind the task: HandleResult, actors, and batches.
func doorsOfDecisions() []door {
	return []door{
		{name: "DeadLetter", behavior: hostileWork(func(_ gentask.Job[[]byte], err error) gentask.Decision { return gentask.DeadLetter(err) })},
		{name: "HandleResult panics", behavior: hostileWork(func(_ gentask.Job[[]byte], err error) gentask.Decision { panic(err) })},
		{name: "Settle", behavior: hostileWork(func(job gentask.Job[[]byte], err error) gentask.Decision {
			_ = job.Settle(gentask.DeadLetter(err))
			return gentask.Ack()
		})},
		{name: "actor panics", behavior: hostileActor(func(_ actor.Context, _ gentask.ActorJob[[]byte], err error) { panic(err) })},
		{name: "actor exits", behavior: hostileActor(func(ctx actor.Context, _ gentask.ActorJob[[]byte], err error) { actor.Exit(ctx, err) })},
		{name: "actor settles", behavior: hostileActor(func(ctx actor.Context, job gentask.ActorJob[[]byte], err error) {
			_ = job.Settle(gentask.DeadLetter(err))
			ctx.Stop(ctx.Self())
		})},
		{name: "factory panics", behavior: func(of hostile) gentask.Behavior {
			return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
				if err := of(job.ID()); err != nil {
					panic(err)
				}
				return actor.FromFunc(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						_ = job.Settle(gentask.Ack())
						ctx.Stop(ctx.Self())
					}
				})
			})
		}},
		{name: "batch result", behavior: hostileBatch(func(r gentask.Results, id string, err error) error { r[id] = err; return nil })},
		{name: "batch error", behavior: hostileBatch(func(r gentask.Results, id string, err error) error { delete(r, id); return err })},
	}
}

// doorsOfPolicies are in what a Config holds.
func doorsOfPolicies() []door {
	return []door{
		{name: "middleware", behavior: fail, cfg: withPolicy(func(of hostile) gentask.Policy {
			return gentask.Policy{Middleware: []gentask.Middleware{gentask.LogRuns(silent), func(next gentask.RunFunc) gentask.RunFunc {
				return func(ctx context.Context, job gentask.Job[any]) (any, error) {
					if err := of(job.ID()); err != nil {
						return nil, err
					}
					return next(ctx, job)
				}
			}}}
		})},
		{name: "decoder", behavior: fail, cfg: func(of hostile) gentask.Config {
			return gentask.Config{Decode: func(msg *queue.Message, _ any) error { return of(msg.ID) }}
		}},
		{name: "decoder panics", behavior: fail, cfg: func(of hostile) gentask.Config {
			return gentask.Config{Decode: func(msg *queue.Message, _ any) error {
				if err := of(msg.ID); err != nil {
					panic(err)
				}
				return nil
			}}
		}},
		{name: "rules", behavior: hostileHandle(returned), cfg: func(hostile) gentask.Config {
			return gentask.Config{
				Policy: gentask.Policy{
					Breaker: gentask.Breaker{FailureRate: 1, MinRuns: 1000},
					Failure: func(err error) bool { return err.Error() != "" },
				},
				Retry: gentask.Retry{Rules: []gentask.Rule{
					{When: gentask.WhenErrorIs(context.Canceled), Do: gentask.DeadLetter(nil)},
					{When: gentask.WhenErrorAs[*gentask.AttemptsError](), Do: gentask.DeadLetter(nil)},
					{When: func(_ task.Status, reason error) bool { panic(reason) }, Do: gentask.DeadLetter(nil)},
					{When: gentask.WhenFailed, Backoff: func(_ int, reason error) time.Duration { panic(reason) }},
				}},
			}
		}},
	}
}

func hostileBatch(f func(r gentask.Results, id string, err error) error) func(hostile) gentask.Behavior {
	return func(of hostile) gentask.Behavior {
		return gentask.Batch(func(_ context.Context, jobs []gentask.Job[[]byte]) (gentask.Results, error) {
			r := gentask.AllDone(jobs)
			var whole error
			for _, job := range jobs {
				if err := of(job.ID()); err != nil {
					if err := f(r, job.ID(), err); err != nil {
						whole = err
					}
				}
			}
			return r, whole
		}, gentask.BatchConfig{Size: 4})
	}
}

// TestScenario38_HostileValues sends each hostile error through each door, among good jobs. The
// good ones are acknowledged, the others end as dead letters with a reason, the node does not
// notice, and it stops at once.
func TestScenario38_HostileValues(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { scenario38(r, d) })
		})
	}
}

func scenario38(r *rig.Rig, d door) {
	cases := append(guardtest.Errors(), guardtest.Case{Name: "exits", Err: guardtest.Exits()})
	bad := map[string]error{}
	var msgs []queue.Message
	for i, c := range cases {
		bad["bad "+c.Name] = c.Err
		msgs = append(msgs, queue.Message{ID: "bad " + c.Name, Body: []byte("1")}, queue.Message{ID: fmt.Sprint("good ", i), Body: []byte("1")})
	}
	var mu sync.Mutex // some of the errors keep a state
	of := hostile(func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		return bad[id]
	})
	var cfg gentask.Config
	if d.cfg != nil {
		cfg = d.cfg(of)
	}
	cfg.Concurrency, cfg.Retry.MaxAttempts = 4, 2
	cfg.Retry.Backoff = gentask.Backoff{Base: time.Millisecond, Max: time.Millisecond}
	r.Allow.Logged = true
	r.Send(msgs...)
	c := r.Start(d.behavior(of), cfg)
	r.Finish()
	var dead []string
	for _, m := range r.Memory.DeadLetters() {
		dead = append(dead, m.ID)
		require.NotEmpty(r, m.Headers[queue.HeaderReason], m.ID)
	}
	require.ElementsMatch(r, slices.Collect(maps.Keys(bad)), dead)
	require.True(r, c.Health().Healthy())
	stopping := time.Now()
	r.Stop(c)
	require.Less(r, time.Since(stopping), time.Second)
}
