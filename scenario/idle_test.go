package scenario_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

func started(f func(job gentask.ActorJob[[]byte], ctx actor.Context)) func(job gentask.ActorJob[[]byte], ctx actor.Context) {
	return func(job gentask.ActorJob[[]byte], ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			f(job, ctx)
		}
	}
}

func nothing(gentask.ActorJob[[]byte], actor.Context) {}

// idlers are the ways to hold a slot without a limit. None of them settles.
func idlers() map[string]func(job gentask.ActorJob[[]byte], ctx actor.Context) {
	run := func(f func(context.Context) (any, error)) func(job gentask.ActorJob[[]byte], ctx actor.Context) {
		return started(func(job gentask.ActorJob[[]byte], ctx actor.Context) { _ = job.Run(ctx, f) })
	}
	return map[string]func(job gentask.ActorJob[[]byte], ctx actor.Context){
		"never runs":          nothing,
		"after a value":       run(func(context.Context) (any, error) { return 1, nil }),
		"after an error":      run(func(context.Context) (any, error) { return nil, errOwn }),
		"after a panic":       run(func(context.Context) (any, error) { panic(errOwn) }),
		"deaf to the timeout": run(func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }),
		"stuck in Receive":    started(func(_ gentask.ActorJob[[]byte], _ actor.Context) { time.Sleep(10 * time.Minute) }),
	}
}

// idling makes the first worker of message 1 do that, and others acknowledge.
func idling(does func(job gentask.ActorJob[[]byte], ctx actor.Context)) gentask.Behavior {
	return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
		if job.ID() != "1" || job.Attempt() > 1 {
			return acknowledging(job)
		}
		return actor.FromFunc(func(ctx actor.Context) { does(job, ctx) })
	})
}

// TestIdle_EndedAsATimeout: a worker that neither runs, settles nor ends has as much time as a run,
// and then the default policy decides; it is told.
func TestIdle_EndedAsATimeout(t *testing.T) {
	for name, does := range idlers() {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				const timeout = 10 * time.Second
				r.Allow.Healed, r.Allow.Logged = true, true
				r.Publish(1)
				begin := time.Now()
				c := r.Start(idling(does), gentask.Config{Timeout: timeout, Concurrency: 1})
				r.Eventually("it is ended", func() bool { return len(r.Events(gentask.EventHealed)) == 1 })
				took := time.Since(begin)
				require.GreaterOrEqual(r, took, timeout)
				require.LessOrEqual(r, took, 2*timeout+time.Second)
				r.Finish()
				first := promises.EndsOfMessage(r, "1", 2)[0]
				require.Equal(r, queue.Requeue, first.Disposition)
				require.Equal(r, task.Timeout, first.Outcome)
				require.Positive(r, first.After, "with back-off")
				require.ErrorIs(r, first.Reason, task.ErrTimeout)
				require.ErrorIs(r, first.Reason, gentask.ErrWorkerIdle)
				healed := r.Events(gentask.EventHealed)[0]
				require.Equal(r, "1", healed.ID)
				require.ErrorIs(r, healed.Reason, gentask.ErrWorkerIdle)
				require.Zero(r, c.Health().Running)
				time.Sleep(10 * time.Minute)
			})
		})
	}
}

// TestIdle_MaxAttempts: the last attempt that times out so is a dead letter.
func TestIdle_MaxAttempts(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed, r.Allow.Logged = true, true
		r.Publish(1)
		r.Start(idling(nothing), gentask.Config{Timeout: time.Second, Retry: gentask.Retry{MaxAttempts: 1}})
		r.Finish()
		require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
	})
}

// TestIdle_Cancel ends it at once, and the default policy decides, also where there is no Timeout.
func TestIdle_Cancel(t *testing.T) {
	for name, does := range idlers() {
		if name == "deaf to the timeout" || name == "stuck in Receive" {
			continue // the task gets the cancellation, see below; and the worker is killed later
		}
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(1)
				c := r.Start(idling(does), gentask.Config{Timeout: -1})
				time.Sleep(time.Hour) // 120 times the default Timeout
				require.Equal(r, 1, c.Health().Running, "without a Timeout there is no limit")
				begin := time.Now()
				require.NoError(r, c.Cancel(r.Context(), "1"))
				r.Finish()
				require.Less(r, time.Since(begin), time.Second)
				require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
				require.ErrorIs(r, eventOf(r, "1").Reason, gentask.ErrCancelled)
				require.Zero(r, c.Health().Running)
			})
		})
	}
}

// TestIdle_CancelOfATask whose outcome its worker makes nothing of: ended when the grace is over.
func TestIdle_CancelOfATask(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(idling(idlers()["deaf to the timeout"]), gentask.Config{Timeout: -1, Grace: time.Second})
		r.Rest()
		begin := time.Now()
		require.NoError(r, c.Cancel(r.Context(), "1"))
		r.Finish()
		require.InDelta(r, time.Second, time.Since(begin), float64(time.Second))
		require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
		require.ErrorIs(r, eventOf(r, "1").Reason, gentask.ErrCancelled)
	})
}

// TestIdle_DrainAndLostSession do not wait for it: it is released, or gone.
func TestIdle_DrainAndLostSession(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(idling(nothing), gentask.Config{Timeout: -1, DrainTimeout: time.Second, Grace: time.Second})
		r.Rest()
		r.Break()
		r.Eventually("its slot is free", func() bool { return len(r.Events(gentask.EventDone)) == 2 })
		require.ErrorIs(r, promises.EndsOfMessage(r, "1", 2)[0].Reason, gentask.ErrSessionLost)
		r.Finish()

		r.Publish(1)
		c2 := r.Start(gentask.Actor(func(gentask.ActorJob[[]byte]) *actor.Props { return actor.FromFunc(func(actor.Context) {}) }),
			gentask.Config{Timeout: -1, DrainTimeout: time.Second, Grace: time.Second})
		r.Stop(c)
		r.Rest()
		begin := time.Now()
		report := r.Stop(c2)
		require.LessOrEqual(r, time.Since(begin), 3*time.Second)
		require.Zero(r, report.Lost)
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Finish()
	})
}

// TestIdle_SettledAndAlive: one that has settled and does not end gives its slot back, too.
func TestIdle_SettledAndAlive(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed, r.Allow.Logged = true, true
		r.Publish(3)
		c := r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); ok {
					_ = job.Settle(gentask.Ack())
				}
			})
		}), gentask.Config{Timeout: time.Second, Concurrency: 1})
		r.Finish()
		require.Equal(r, 3, r.Memory.Stats().Acked)
		r.Eventually("the last is gone", func() bool { return c.Health().Running == 0 })
		require.Len(r, r.Events(gentask.EventHealed), 3)
		for _, ev := range r.Events(gentask.EventDone) {
			require.Equal(r, queue.Ack, ev.Disposition)
		}
	})
}

// TestIdle_ABusyOneIsLeftAlone: a worker that extends its task for ever, runs one task after the
// other, or waits less than a timeout in between, is not ended.
func TestIdle_ABusyOneIsLeftAlone(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const timeout = time.Second
		r.Limit = time.Hour
		r.Publish(1)
		steps := 0
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			type next struct{}
			return actor.FromFunc(func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *actor.Started:
					process.SendAfter(ctx, timeout-time.Millisecond, &next{})
				case *next:
					_ = job.Run(ctx, func(c context.Context) (any, error) { return 1, pause10(c) })
				case *task.Outcome[any]:
					if msg.Status == task.Timeout {
						msg.Task.Extend(timeout)
						return
					}
					if steps++; steps < 5 {
						process.SendAfter(ctx, timeout-time.Millisecond, &next{})
						return
					}
					_ = job.Settle(gentask.Ack())
					ctx.Stop(ctx.Self())
				}
			})
		}), gentask.Config{Timeout: timeout})
		r.Finish()
		require.Equal(r, 5, steps)
		require.Equal(r, 1, r.Memory.Stats().Acked)
		require.Zero(r, r.Memory.Stats().Requeued)
	})
}

// TestIdle_RestartLoops: a worker that crashes for ever, slower than its intensity, is limited,
// whether it runs a task in between or not.
func TestIdle_RestartLoops(t *testing.T) {
	for name, runs := range map[string]bool{"without a task": false, "with one": true} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Healed, r.Allow.Logged = true, true
				r.Limit = time.Hour
				var made atomic.Int64
				type crash struct{}
				r.Publish(1)
				r.Start(idling(func(job gentask.ActorJob[[]byte], ctx actor.Context) {
					switch ctx.Message().(type) {
					case *actor.Started:
						made.Add(1)
						if runs {
							_ = job.Run(ctx, func(context.Context) (any, error) { return 1, nil })
						}
						process.SendAfter(ctx, 2*time.Second, &crash{})
					case *crash:
						panic(errOwn)
					}
				}), gentask.Config{Timeout: 30 * time.Second})
				r.Finish()
				require.LessOrEqual(r, made.Load(), int64(20))
				require.Equal(r, 1, r.Memory.Stats().Requeued)
				require.Equal(r, 1, r.Memory.Stats().Acked)
			})
		})
	}
}

// TestIdle_SomebodyElsesProps, whose actor does not start, are limited likewise.
func TestIdle_SomebodyElsesProps(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed, r.Allow.Logged = true, true
		release := make(chan struct{})
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			if job.Attempt() > 1 {
				return acknowledging(job)
			}
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); ok {
					<-release // its start hangs
				}
			})
		}), gentask.Config{Timeout: time.Second})
		r.Finish()
		require.Equal(r, 1, r.Memory.Stats().Requeued)
		close(release)
		time.Sleep(time.Minute)
	})
}
