package scenario_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// ends are runs that end with each status, within a timeout of a second.
func ends() map[task.Status]func(context.Context, int) (int, error) {
	return map[task.Status]func(context.Context, int) (int, error){
		task.OK:      func(context.Context, int) (int, error) { return 1, nil },
		task.Exit:    func(context.Context, int) (int, error) { return 0, errOwn },
		task.Timeout: func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
	}
}

var errHandler = errors.New("bug in HandleResult")

// crashes end a function in a way that is none.
var crashes = map[string]func(){
	"panic":  func() { panic(errHandler) },
	"Goexit": runtime.Goexit,
}

// TestScenario06_HandleResultPanics: before a settlement, the fallback policy settles, once; after
// an early one nothing more is sent. Either way HandleResult is not called again, nor is the job
// run again before it is delivered again.
func TestScenario06_HandleResultPanics(t *testing.T) {
	for status, run := range ends() {
		for name, crash := range crashes {
			t.Run(status.String()+"/"+name+"/before", func(t *testing.T) {
				got := crashing(t, run, func(gentask.Job[int]) { crash() })
				require.Equal(t, queue.Requeue, got.Disposition)
				require.Positive(t, got.After, "with back-off")
				require.ErrorIs(t, got.Reason, gentask.ErrWorkerLost)
				require.NotEmpty(t, actor.Stack(got.Reason))
			})
			t.Run(status.String()+"/"+name+"/after", func(t *testing.T) {
				got := crashing(t, run, func(job gentask.Job[int]) {
					require.NoError(t, job.Settle(gentask.Ack()))
					crash()
				})
				require.Equal(t, queue.Ack, got.Disposition)
				require.NoError(t, got.Reason)
			})
		}
	}
}

// crashing runs a job whose HandleResult does f, and sees to it that it is asked once.
func crashing(t *testing.T, run func(context.Context, int) (int, error), f func(gentask.Job[int])) (got gentasktest.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		asked, ran := 0, 0
		got = gentasktest.Run(t, gentask.Work(&rig.Worker[int, int]{
			OnRun: func(ctx context.Context, n int) (int, error) { ran++; return run(ctx, n) },
			OnResult: func(job gentask.Job[int], _ task.Outcome[int]) gentask.Decision {
				asked++
				f(job)
				return gentask.Decision{}
			},
		}), gentasktest.JSON(t, 1), gentask.Config{Timeout: time.Second})
		require.Equal(t, 1, asked)
		require.Equal(t, 1, ran)
		for _, ev := range got.Events {
			require.NotEqual(t, gentask.EventWorkersLost, ev.Kind)
		}
	})
	return got
}

// TestScenario06_HandleResultPanicsOnEveryJob, a thousand times, and only its own worker is
// affected.
func TestScenario06_HandleResultPanicsOnEveryJob(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs = 1000
		r.Publish(jobs)
		r.Start(gentask.Work(&rig.Worker[[]byte, int]{
			OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { return 0, nil }),
			OnResult: func(job gentask.Job[[]byte], _ task.Outcome[int]) gentask.Decision {
				if job.Attempt() == 1 {
					panic(errHandler)
				}
				return gentask.Ack()
			},
		}), gentask.Config{Concurrency: 50})
		r.Finish()
		require.Equal(r, 2*jobs, r.Runs.Total(), "once, and once more after the redelivery")
		require.Equal(r, jobs, r.Memory.Stats().Requeued)
		require.Zero(r, r.Memory.Stats().Refused)
	})
}

// TestScenario06_AHandleResultThatHangs loses its slot and its delivery, and no other job waits for
// it.
func TestScenario06_AHandleResultThatHangs(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		release := make(chan struct{})
		r.Publish(2)
		r.Start(gentask.Work(&rig.Worker[[]byte, int]{
			OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { return 0, nil }),
			OnResult: func(job gentask.Job[[]byte], _ task.Outcome[int]) gentask.Decision {
				if job.ID() == "1" && job.Attempt() == 1 {
					<-release
				}
				return gentask.Ack()
			},
		}), gentask.Config{Concurrency: 1})
		r.Finish()
		require.Len(r, r.Events(gentask.EventHealed), 1)
		require.Equal(r, 2, r.Runs.Of("1"))
		close(release)
	})
}

// TestScenario06_ADecoderThatPanics is a payload that can't be decoded.
func TestScenario06_ADecoderThatPanics(t *testing.T) {
	cfg := gentask.Config{Decode: func(*queue.Message, any) error { panic("bug in the decoder") }}
	run := func(context.Context, int) (int, error) { t.Error("run"); return 0, nil }
	handle := func(gentask.Job[int], task.Outcome[int]) gentask.Decision { t.Error("asked"); return gentask.Ack() }
	for name, behavior := range map[string]gentask.Behavior{
		"Handle": gentask.Handle(func(ctx context.Context, n int) error { _, err := run(ctx, n); return err }),
		"Work":   gentask.Work(&rig.Worker[int, int]{OnRun: run, OnResult: handle}),
		"Actor": gentask.Actor(func(gentask.ActorJob[int]) *actor.Props {
			t.Error("made")
			return nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			got := gentasktest.Run(t, behavior, gentasktest.JSON(t, 1), cfg)
			require.Equal(t, queue.DeadLetter, got.Disposition)
			var undecodable *gentask.DecodeError
			require.ErrorAs(t, got.Reason, &undecodable)
			require.ErrorContains(t, got.Reason, "bug in the decoder")
			require.Contains(t, actor.Stack(got.Reason), "ADecoderThatPanics")
		})
	}
}

// TestScenario06_AnEventHandlerThatFails loses that event, and no other.
func TestScenario06_AnEventHandlerThatFails(t *testing.T) {
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				const jobs = 100
				heard := 0
				r.Publish(jobs)
				r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{OnEvent: func(gentask.Event) {
					heard++
					crash()
				}})
				r.Finish()
				require.Len(r, r.Events(), heard)
				require.Len(r, r.Events(gentask.EventDone), jobs)
			})
		})
	}
}

// TestScenario06_AFactoryThatFails is a start that failed: it is tried again within the intensity,
// and then the delivery is requeued.
func TestScenario06_AFactoryThatFails(t *testing.T) {
	for name, factory := range map[string]func() *actor.Props{
		"panic":           func() *actor.Props { panic(errOwn) },
		"Goexit":          func() *actor.Props { runtime.Goexit(); return nil },
		"nil":             func() *actor.Props { return nil },
		"producer panics": func() *actor.Props { return actor.FromProducer(func() actor.Actor { panic(errOwn) }) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				made := 0
				r.Publish(2)
				r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
					if job.ID() == "2" || job.Attempt() > 1 {
						return acknowledging(job)
					}
					made++
					return factory()
				}), gentask.Config{Restarts: 2})
				r.Finish()
				require.Equal(r, 3, made)
				require.Equal(r, 1, r.Memory.Stats().Requeued, "that one delivery")
				require.Equal(r, 2, r.Memory.Stats().Acked)
			})
		})
	}
}

// TestScenario06_AProducerThatCallsGoexit takes the worker supervisor with it. It is started again,
// and the job backs off.
func TestScenario06_AProducerThatCallsGoexit(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Crashes = true
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			if job.Attempt() > 1 {
				return acknowledging(job)
			}
			return actor.FromProducer(func() actor.Actor { runtime.Goexit(); return nil })
		}), gentask.Config{})
		r.Finish()
		require.Len(r, r.Events(gentask.EventWorkersLost), 1)
		require.Equal(r, 1, r.Memory.Stats().Requeued)
		require.Zero(r, r.Memory.Stats().Released)
	})
}

// acknowledging returns a worker that runs nothing.
func acknowledging(job gentask.ActorJob[[]byte]) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			_ = job.Settle(gentask.Ack())
			actor.Exit(ctx, nil)
		}
	})
}

// TestScenario06_AMiddlewareThatFails: the end of the middleware is how the job's task ends.
func TestScenario06_AMiddlewareThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		f      func(ctx context.Context, job gentask.Job[any]) error
		reason error
	}{
		"error":  {func(context.Context, gentask.Job[any]) error { return errOwn }, errOwn},
		"panic":  {func(context.Context, gentask.Job[any]) error { panic(errOwn) }, errOwn},
		"Goexit": {func(context.Context, gentask.Job[any]) error { runtime.Goexit(); return nil }, actor.ErrGoexit},
		"hang":   {func(ctx context.Context, _ gentask.Job[any]) error { <-ctx.Done(); return ctx.Err() }, task.ErrTimeout},
	} {
		cfg := gentask.Config{Timeout: time.Second, Policy: gentask.Policy{Middleware: []gentask.Middleware{
			func(next gentask.RunFunc) gentask.RunFunc {
				return func(ctx context.Context, job gentask.Job[any]) (any, error) {
					if err := c.f(ctx, job); err != nil {
						return nil, err
					}
					return next(ctx, job)
				}
			},
		}}}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { t.Error("run"); return nil }),
					gentasktest.JSON(t, mail{}), cfg)
				require.Equal(t, queue.Requeue, got.Disposition)
				require.ErrorIs(t, got.Reason, c.reason)
			})
		})
	}
}

// TestScenario06_ARuleThatFails does not match: the next one is asked. One whose Backoff fails
// waits for Retry.Backoff.
func TestScenario06_ARuleThatFails(t *testing.T) {
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			cfg := gentask.Config{Retry: gentask.Retry{Backoff: gentask.Backoff{Base: time.Nanosecond, Max: time.Nanosecond}}}
			cfg.Retry.Rules = []gentask.Rule{
				{When: func(task.Status, error) bool { crash(); return true }, Do: gentask.Ack()},
				{When: gentask.WhenErrorIs(errDown), Do: gentask.DeadLetter(nil)},
				{When: gentask.WhenFailed, Backoff: func(int, error) time.Duration { crash(); return time.Hour }},
			}
			for reason, want := range map[error]queue.Disposition{errDown: queue.DeadLetter, errOwn: queue.Requeue} {
				got := gentasktest.Run(t, gentask.Handle(func(context.Context, mail) error { return reason }), gentasktest.JSON(t, mail{}), cfg)
				require.Equal(t, want, got.Disposition)
				require.ErrorIs(t, got.Reason, reason)
				require.LessOrEqual(t, got.After, time.Nanosecond)
			}
		})
	}
}

// TestScenario06_ARuleThatHangs loses its slot and its delivery as a HandleResult does, and the
// ledger doesn't ask it again.
func TestScenario06_ARuleThatHangs(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		release, asked := make(chan struct{}), 0
		cfg := gentask.Config{Concurrency: 1}
		cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: func(int, error) time.Duration {
			if asked++; asked == 1 {
				<-release
			}
			return time.Second
		}}}
		r.Publish(2)
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			if job, _ := gentask.FromContext(ctx); id == "1" && job.Attempt() == 1 {
				return errOwn
			}
			return nil
		}), cfg)
		r.Finish()
		require.Equal(r, 1, asked)
		require.Equal(r, 2, r.Runs.Of("1"))
		close(release)
	})
}
