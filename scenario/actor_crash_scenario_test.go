package scenario_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

var errReceive = errors.New("bug in Receive")

// fragile makes workers that run a task, acknowledge a value, requeue at once without one, and do
// what they are told. It counts them by the id of their message.
type fragile struct {
	*rig.Rig
	run func(context.Context, gentask.Job[[]byte]) (any, error)

	mu    sync.Mutex
	made  map[string]int
	times []time.Time
}

func newFragile(r *rig.Rig, run func(context.Context, gentask.Job[[]byte]) (any, error)) *fragile {
	return &fragile{Rig: r, run: run, made: map[string]int{}}
}

func (f *fragile) behavior() gentask.Behavior { return gentask.Actor(f.props) }

func (f *fragile) props(job gentask.ActorJob[[]byte]) *actor.Props {
	f.mu.Lock()
	f.made[job.ID()]++
	f.times = append(f.times, time.Now())
	f.mu.Unlock()
	return actor.FromFunc(func(ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			run := rig.Track(f.Runs, func(c context.Context, _ []byte) (any, error) { return f.run(c, job.Job) })
			if err := job.Run(ctx, func(c context.Context) (any, error) { return run(c, nil) }); err != nil {
				panic(err)
			}
		case func():
			msg()
		case *task.Outcome[any]:
			f.outcome(ctx, job.Job, msg)
		}
	})
}

func (f *fragile) outcome(ctx actor.Context, job gentask.Job[[]byte], o *task.Outcome[any]) {
	d := gentask.Requeue(0)
	if o.Status == task.OK {
		d = gentask.Ack()
	}
	if err := job.Settle(d); err != nil && !errors.Is(err, gentask.ErrSettled) {
		panic(err)
	}
	ctx.Stop(ctx.Self())
}

func (f *fragile) count(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made[id]
}

// crashWorkers has every worker of now crash.
func (f *fragile) crashWorkers(crash func()) {
	for _, pid := range promises.Workers(f.Rig) {
		actor.Send(f.System, pid, crash)
	}
}

// TestScenario11_AnActorWorkerPanics in its own Receive: it is started again, and its old task has
// ended before, though that takes its time.
func TestScenario11_AnActorWorkerPanics(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic(errReceive) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				const toStop = time.Second
				f := newFragile(r, func(ctx context.Context, _ gentask.Job[[]byte]) (any, error) {
					if r.Runs.Of("1") > 1 {
						return 1, nil
					}
					<-ctx.Done()
					time.Sleep(toStop)
					return nil, ctx.Err()
				})
				r.Publish(1)
				r.Start(f.behavior(), gentask.Config{})
				promises.WorkerOf(r)
				f.crashWorkers(crash)
				r.Finish()
				require.Equal(r, 2, f.count("1"))
				require.Equal(r, toStop, f.times[1].Sub(f.times[0]), "restarted when the old task has ended, at once")
				require.Equal(r, 1, r.Memory.Stats().Delivered, "the same delivery")
				require.Equal(r, 1, r.Memory.Stats().Acked)
			})
		})
	}
}

// TestScenario11_GivingUp: a worker that crashes more often than its intensity allows is given up,
// and that one delivery is requeued. Its siblings and the supervisor are untouched.
func TestScenario11_GivingUp(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const siblings = 9
		f := newFragile(r, func(ctx context.Context, job gentask.Job[[]byte]) (any, error) {
			if job.ID() != "1" {
				return 1, pause10(ctx)
			}
			if job.Attempt() > 1 {
				return 1, nil
			}
			return nil, errOwn
		})
		behavior := gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			if job.ID() == "1" && job.Attempt() == 1 {
				f.mu.Lock()
				f.made["1"]++
				f.mu.Unlock()
				return actor.FromFunc(func(actor.Context) { panic(errReceive) })
			}
			return f.props(job)
		})
		r.Publish(1 + siblings)
		r.Start(behavior, gentask.Config{Restarts: 3})
		r.Finish()
		require.Equal(r, 1+3+1, f.count("1"), "once, three restarts, and once after the redelivery")
		for id, n := range f.made {
			if id != "1" {
				require.Equal(r, 1, n, id)
			}
		}
		require.Equal(r, 1, r.Memory.Stats().Requeued)
		first := r.Events(gentask.EventDone)[0]
		require.Equal(r, "1", first.ID)
		require.Positive(r, first.After, "with back-off")
		require.ErrorIs(r, first.Reason, supervision.ErrIntensity)
		require.ErrorIs(r, first.Reason, gentask.ErrWorkerLost)
		require.ErrorContains(r, first.Reason, errReceive.Error())
		require.Contains(r, actor.Stack(first.Reason), "GivingUp")
	})
}

// TestScenario11_NoRestarts: with -1 the first crash is one too many.
func TestScenario11_NoRestarts(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		f := newFragile(r, func(ctx context.Context, job gentask.Job[[]byte]) (any, error) {
			if job.Attempt() == 1 {
				return nil, pause10(ctx)
			}
			return 1, nil
		})
		r.Publish(1)
		r.Start(f.behavior(), gentask.Config{Restarts: -1})
		promises.WorkerOf(r)
		f.crashWorkers(func() { panic(errReceive) })
		r.Finish()
		require.Equal(r, 2, f.count("1"))
		require.Equal(r, 1, r.Memory.Stats().Requeued)
	})
}

// TestScenario11_TheTaskThatWillNotStop: its worker is not started again while it runs, so the
// delivery is settled without one.
func TestScenario11_TheTaskThatWillNotStop(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		d := newDeaf()
		f := newFragile(r, func(context.Context, gentask.Job[[]byte]) (any, error) { d.sleep(); return nil, errOwn })
		r.Publish(1)
		c := r.Start(f.behavior(), gentask.Config{Grace: time.Second, Retry: gentask.Retry{MaxAttempts: 1}})
		promises.WorkerOf(r)
		begin := time.Now()
		f.crashWorkers(func() { panic(errReceive) })
		r.Finish()
		require.Equal(r, time.Second, time.Since(begin))
		require.Equal(r, 1, f.count("1"), "no restart")
		require.Equal(r, 1, c.Health().Abandoned)
		require.Zero(r, c.Health().Running, "the slot is free")
		require.Equal(r, queue.DeadLetter, eventOf(r, "1").Disposition)
		require.ErrorIs(r, eventOf(r, "1").Reason, errReceive)
		close(d.release)
	})
}

// TestScenario11_ACrashAfterTheSettlement: that worker is not needed any more.
func TestScenario11_ACrashAfterTheSettlement(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		made := 0
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			made++
			return actor.FromFunc(func(actor.Context) {
				if err := job.Settle(gentask.Ack()); err == nil {
					panic(errReceive)
				}
			})
		}), gentask.Config{})
		r.Finish()
		require.Equal(r, 1, made)
		require.Equal(r, 1, r.Memory.Stats().Acked)
		require.Equal(r, queue.Ack, eventOf(r, "1").Disposition)
	})
}

// TestScenario11_CrashesEverywhere, at random times, and every job is acknowledged in the end; none
// ran twice at the same time.
func TestScenario11_CrashesEverywhere(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs = 100
		f := newFragile(r, func(ctx context.Context, _ gentask.Job[[]byte]) (any, error) {
			select {
			case <-ctx.Done():
				time.Sleep(7 * time.Millisecond)
				return nil, ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return 1, nil
			}
		})
		r.Publish(jobs)
		c := r.Start(f.behavior(), gentask.Config{
			Concurrency: 20, Retry: gentask.Retry{MaxAttempts: -1, Backoff: gentask.Backoff{Base: time.Millisecond}},
		})
		for range 40 {
			time.Sleep(37 * time.Millisecond)
			f.crashWorkers(func() { panic(errReceive) })
		}
		r.Finish()
		require.Equal(r, jobs, r.Memory.Stats().Acked)
		require.Positive(r, r.Memory.Stats().Requeued)
		require.Eventually(r, func() bool { return c.Health().Running == 0 }, time.Minute, time.Second)
	})
}
