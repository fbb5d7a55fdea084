package scenario_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// loop is a way to give a job back for ever.
type loop struct {
	behavior func(r *rig.Rig) gentask.Behavior
	cfg      gentask.Config
	free     int // what is there again at once, because it loses an attempt
}

func returning(f func(context.Context) error) func(r *rig.Rig) gentask.Behavior {
	return func(r *rig.Rig) gentask.Behavior {
		return r.Handle(func(ctx context.Context, id string) error {
			if id != "1" {
				return nil
			}
			return f(ctx)
		})
	}
}

func deciding(f func(gentask.Job[[]byte]) gentask.Decision) func(r *rig.Rig) gentask.Behavior {
	return func(r *rig.Rig) gentask.Behavior {
		return rig.Work(r, func(context.Context, []byte) (int, error) { return 0, nil },
			func(job gentask.Job[[]byte], _ task.Outcome[int]) gentask.Decision {
				if job.ID() != "1" {
					return gentask.Ack()
				}
				return f(job)
			})
	}
}

func always(d gentask.Decision) func(gentask.Job[[]byte]) gentask.Decision {
	return func(gentask.Job[[]byte]) gentask.Decision { return d }
}

func loops() map[string]loop {
	fails := returning(func(context.Context) error { return errOwn })
	rule := func(d gentask.Decision) gentask.Config {
		return gentask.Config{Retry: gentask.Retry{Rules: []gentask.Rule{{When: gentask.WhenFailed, Do: d}}}}
	}
	strict := gentask.Policy{Order: gentask.Order{Key: func(*queue.Message) string { return "k" }, Strict: true, Hold: -1}}
	return map[string]loop{
		"Snooze, by err, negative": {behavior: returning(func(context.Context) error { return gentask.Snooze(-1) })},
		"Snooze, by err, zero":     {behavior: returning(func(context.Context) error { return gentask.Snooze(0) })},
		"Snooze, by err, tiny":     {behavior: returning(func(context.Context) error { return gentask.Snooze(1) })},
		"Release, by err":          {behavior: returning(func(context.Context) error { return gentask.Release() })},
		"Pause, by err":            {behavior: returning(func(context.Context) error { return gentask.PauseConsumer() })},
		"Snooze, negative":         {behavior: deciding(always(gentask.Snooze(-time.Hour)))},
		"Snooze, tiny":             {behavior: deciding(always(gentask.Snooze(time.Microsecond)))},
		"Release":                  {behavior: deciding(always(gentask.Release()))},
		"rule":                     {behavior: fails, cfg: rule(gentask.Release())},
		"rule that snoozes":        {behavior: fails, cfg: rule(gentask.Snooze(0))},
		"Requeue for ever": {behavior: deciding(always(gentask.Requeue(0))), cfg: gentask.Config{
			Retry: gentask.Retry{MaxAttempts: -1},
		}, free: 24},
		"no back-off, for ever": {behavior: fails, cfg: gentask.Config{
			Retry: gentask.Retry{
				MaxAttempts: -1, Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(0)}},
			},
		}, free: 24},
		"settled early": {behavior: deciding(func(job gentask.Job[[]byte]) gentask.Decision {
			_ = job.Settle(gentask.Release())
			return gentask.Ack()
		})},
		"in place": {behavior: deciding(always(gentask.Release())), cfg: gentask.Config{Policy: strict}},
		"in place, a requeue": {behavior: deciding(always(gentask.Requeue(0))), cfg: gentask.Config{
			Policy: strict, Retry: gentask.Retry{MaxAttempts: -1},
		}, free: 24},
		"middleware":           {behavior: fails, cfg: gentask.Config{Policy: gentask.Policy{Middleware: []gentask.Middleware{snoozing}}}},
		"Actor":                {behavior: releasingActors},
		"Batch":                {behavior: releasingBatches},
		"resumed each time":    {behavior: deciding(always(gentask.PauseConsumer())), cfg: gentask.Config{}},
		"HandleResult, by err": {behavior: deciding(func(gentask.Job[[]byte]) gentask.Decision { panic(gentask.Snooze(0)) })},
	}
}

func snoozing(next gentask.RunFunc) gentask.RunFunc {
	return func(ctx context.Context, job gentask.Job[any]) (any, error) {
		if v, err := next(ctx, job); err == nil {
			return v, nil
		}
		return nil, gentask.Snooze(0)
	}
}

func releasingActors(*rig.Rig) gentask.Behavior {
	return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
		return actor.FromFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); !ok {
				return
			}
			d := gentask.Ack()
			if job.ID() == "1" {
				d = gentask.Release()
			}
			_ = job.Settle(d)
			ctx.Stop(ctx.Self())
		})
	})
}

func releasingBatches(*rig.Rig) gentask.Behavior {
	return gentask.Batch(func(_ context.Context, jobs []gentask.Job[[]byte]) (gentask.Results, error) {
		results := gentask.AllDone(jobs)
		if _, there := results["1"]; there {
			results["1"] = gentask.Snooze(-1)
		}
		return results, nil
	}, gentask.BatchConfig{Size: 1})
}

// startsOf is how often a message came.
func startsOf(r *rig.Rig, id string) (n int) {
	for _, ev := range r.Events(gentask.EventReceived) {
		if ev.ID == id {
			n++
		}
	}
	return n
}

// TestComeback_EachLoopHasAFloor: what is given back again and again without losing an attempt
// waits longer each time, on every way, and what is done beside it doesn't wait.
func TestComeback_EachLoopHasAFloor(t *testing.T) {
	for name, l := range loops() {
		if !rig.Some(name, 3) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(1)
				var c *gentask.Consumer
				var mu sync.Mutex
				l.cfg.OnEvent = func(ev gentask.Event) {
					mu.Lock()
					defer mu.Unlock()
					if ev.Kind == gentask.EventPaused {
						go func() { _ = c.Resume(context.Background()) }()
					}
				}
				mu.Lock()
				c = r.Start(l.behavior(r), l.cfg)
				mu.Unlock()
				time.Sleep(10 * time.Second)
				require.LessOrEqual(r, startsOf(r, "1"), 10+l.free)
				require.GreaterOrEqual(r, startsOf(r, "1"), 6+l.free)
				time.Sleep(time.Hour)
				require.LessOrEqual(r, startsOf(r, "1"), 10+5+60+l.free)
				require.GreaterOrEqual(r, startsOf(r, "1"), 60)
				if l.cfg.Policy.Order.Key == nil {
					begin := time.Now()
					r.Publish(1)
					r.Eventually("the other is done", func() bool { return r.Memory.Stats().Acked == 1 })
					require.Less(r, time.Since(begin), 100*time.Millisecond)
				}
			})
		})
	}
}

// TestComeback_Doubles: the first time at once, and then after 100 ms and twice as long each time,
// up to a minute. Another message has its own count, and a message that has ended starts again.
func TestComeback_Doubles(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = 2 * time.Hour
		var at []time.Time
		r.Publish(1)
		r.Start(returning(func(context.Context) error {
			if at = append(at, time.Now()); len(at) < 15 {
				return gentask.Snooze(-1)
			}
			return nil
		})(r), gentask.Config{})
		r.Finish()
		want := []time.Duration{0}
		for wait := 100 * time.Millisecond; len(want) < 14; wait *= 2 {
			want = append(want, min(wait, time.Minute))
		}
		for i, wait := range want {
			require.Equal(r, wait, at[i+1].Sub(at[i]), "time %d", i+1)
		}
	})
}

// TestComeback_AnHonestOne is there again at once, and what waits by itself waits as long as it
// states, however often.
func TestComeback_AnHonestOne(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = 24 * time.Hour
		r.Publish(20)
		begin := time.Now()
		r.Start(rig.Work(r, func(context.Context, []byte) (int, error) { return 0, nil },
			func(job gentask.Job[[]byte], _ task.Outcome[int]) gentask.Decision {
				if job.Redelivered() {
					return gentask.Ack()
				}
				return gentask.Release()
			}), gentask.Config{})
		r.Finish()
		require.Less(r, time.Since(begin), 50*time.Millisecond)
		r.Stop(r.Nodes()[0]) // or it takes the next message, too
		r.Publish(1)
		begin = time.Now()
		runs := 0
		r.Start(r.Handle(func(context.Context, string) error {
			if runs++; runs <= 100 {
				return gentask.Snooze(100 * time.Millisecond)
			}
			return nil
		}), gentask.Config{})
		r.Finish()
		require.InDelta(r, 10*time.Second, time.Since(begin), float64(time.Second))
	})
}

// TestComeback_WhatWasNotStarted, or was interrupted by us, is there again at once, however often:
// by pauses, drains, and sessions that are lost.
func TestComeback_WhatWasNotStarted(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		for range 10 {
			c := r.Start(r.Handle(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }),
				gentask.Config{Concurrency: 1, Prefetch: 2, DrainTimeout: -1})
			r.Eventually("one runs", func() bool { return r.Runs.Now() == 1 && c.Health().Held == 2 })
			require.NoError(r, c.Pause(r.Context()))
			r.Eventually("the other is back", func() bool { return c.Health().Held == 1 })
			require.NoError(r, c.Resume(r.Context()))
			r.Eventually("and here again", func() bool { return c.Health().Held == 2 })
			r.Stop(c)
			require.Equal(r, 2, r.Memory.Stats().Ready, "nothing waits")
		}
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Finish()
	})
}

// TestComeback_MaxAttempts bounds a requeue at once, so that needs no floor.
func TestComeback_MaxAttempts(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		begin := time.Now()
		r.Start(deciding(always(gentask.Requeue(0)))(r), gentask.Config{})
		r.Finish()
		require.Equal(r, 25, r.Runs.Total())
		require.Less(r, time.Since(begin), 50*time.Millisecond)
	})
}
