package scenario_test

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// TestScenario30_OnePoisonousItem: however it makes its batch fail, it costs each of its
// neighbours one attempt at most, and has its own.
func TestScenario30_OnePoisonousItem(t *testing.T) {
	const poison, most = "4", 5
	for name, fail := range map[string]func(ctx context.Context) error{
		"panic":   func(context.Context) error { panic(errOwn) },
		"Goexit":  func(context.Context) error { runtime.Goexit(); return nil },
		"error":   func(context.Context) error { return errOwn },
		"timeout": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Limit = time.Hour
				got := &batchLog{}
				r.Publish(40)
				r.Start(got.batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
					for _, job := range jobs {
						if job.ID() == poison {
							return nil, fail(ctx)
						}
					}
					return gentask.AllDone(jobs), nil
				}, gentask.BatchConfig{Size: 10}), gentask.Config{Retry: gentask.Retry{MaxAttempts: most}, Timeout: time.Second})
				r.Finish()
				require.Equal(r, 39, r.Memory.Stats().Acked)
				require.Len(r, r.Memory.DeadLetters(), 1)
				require.Equal(r, poison, r.Memory.DeadLetters()[0].ID)
				for id, attempt := range highestAttempts(r) {
					if id == poison {
						require.Equal(r, most, attempt)
					} else {
						require.LessOrEqual(r, attempt, 2)
					}
				}
				for i, n := range got.sizes[4:] {
					require.Equal(r, 1, n, "batch %d", i)
				}
			})
		})
	}
}

// endsOwn is middleware that ends the context of the jobs with the given IDs after a second.
func endsOwn(ids ...string) gentask.Middleware {
	return func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (any, error) {
			for _, id := range ids {
				if job.ID() == id {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
			}
			return next(ctx, job)
		}
	}
}

// TestScenario30_ADeadlineOfItsOwn concerns the job that has it, wherever in the batch it is: the
// others are done, in their first attempt.
func TestScenario30_ADeadlineOfItsOwn(t *testing.T) {
	for _, mode := range []string{"header", "context"} {
		for i := range 4 {
			t.Run(mode+strconv.Itoa(i+1), func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					own := strconv.Itoa(i + 1)
					for n := range 4 {
						msg := queue.Message{ID: strconv.Itoa(n + 1), Body: []byte("x")}
						if msg.ID == own && mode == "header" {
							msg.Headers = map[string]string{"deadline": time.Now().Add(time.Second).Format(time.RFC3339)}
						}
						r.Send(msg)
					}
					cfg := gentask.Config{Concurrency: 4, Retry: gentask.Retry{MaxAttempts: 1}}
					cfg.Policy.Middleware = []gentask.Middleware{gentask.DeadlineFrom("deadline")}
					if mode == "context" {
						cfg.Policy.Middleware = []gentask.Middleware{endsOwn(own)}
					}
					r.Start((&batchLog{}).batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
						require.Len(r, jobs, 4)
						if err := rig.Pause(ctx, 3*time.Second); err != nil {
							return nil, err
						}
						return gentask.AllDone(jobs), nil
					}, gentask.BatchConfig{}), cfg)
					r.Finish()
					for id, ev := range firstEnds(r) {
						if id != own {
							require.Equal(r, queue.Ack, ev.Disposition, "%v", ev.Reason)
						}
					}
				})
			})
		}
	}
}

// TestScenario30_AllDeadlinesOver: when no job that wants a result is left, the function is told to
// stop.
func TestScenario30_AllDeadlinesOver(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(3)
		cfg := gentask.Config{Concurrency: 3, Retry: gentask.Retry{MaxAttempts: 1}}
		cfg.Policy.Middleware = []gentask.Middleware{endsOwn("1", "2", "3")}
		var took time.Duration
		r.Start((&batchLog{}).batch(func(ctx context.Context, _ batchJobs) (gentask.Results, error) {
			begin := time.Now()
			<-ctx.Done()
			took = time.Since(begin)
			return nil, context.Cause(ctx)
		}, gentask.BatchConfig{}), cfg)
		r.Finish()
		require.Equal(r, time.Second, took)
		for _, ev := range firstEnds(r) {
			require.ErrorIs(r, ev.Reason, context.DeadlineExceeded)
		}
	})
}

// TestScenario30_Values: the function finds what middleware has put into the context of the job in
// whose task it runs, and when that has to end.
func TestScenario30_Values(t *testing.T) {
	type key struct{}
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(3)
		cfg := gentask.Config{Concurrency: 3}
		cfg.Policy.Middleware = []gentask.Middleware{func(next gentask.RunFunc) gentask.RunFunc {
			return func(ctx context.Context, job gentask.Job[any]) (any, error) {
				return next(context.WithValue(ctx, key{}, job.ID()), job)
			}
		}}
		r.Start((&batchLog{}).batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
			job, ok := gentask.FromContext(ctx)
			require.True(r, ok)
			require.Equal(r, job.ID(), ctx.Value(key{}))
			child, cancel := context.WithCancelCause(ctx)
			cancel(errOwn)
			require.ErrorIs(r, context.Cause(child), errOwn)
			require.NoError(r, ctx.Err())
			return gentask.AllDone(jobs), nil
		}, gentask.BatchConfig{}), cfg)
		r.Finish()
		require.Equal(r, 3, r.Memory.Stats().Acked)
	})
}

// TestScenario30_StrangeIDs: a function that takes something else for the ID is told so by the
// reason.
func TestScenario30_StrangeIDs(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		r.Start((&batchLog{}).batch(func(context.Context, batchJobs) (gentask.Results, error) {
			return gentask.Results{"customer-7": nil, "customer-8": nil}, nil
		}, gentask.BatchConfig{Size: 2}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		r.Finish()
		for _, ev := range firstEnds(r) {
			require.ErrorIs(r, ev.Reason, gentask.ErrNoResult)
			require.ErrorContains(r, ev.Reason, `results for 2 IDs that are not of the batch, such as "customer-7"; want those of Job.ID`)
		}
	})
}

// TestScenario30_BatchesOfOneMux share the slots: when the jobs that gather for several of them
// have taken every slot, the oldest batch is handled, and waits for nothing that can't come.
func TestScenario30_BatchesOfOneMux(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for i := range 4 {
			r.Send(queue.Message{
				ID: strconv.Itoa(i), Body: []byte("x"), Headers: map[string]string{"kind": strconv.Itoa(i % 2)},
			})
		}
		got, cfg := &batchLog{}, gentask.BatchConfig{Wait: time.Hour}
		c := r.Start(gentask.Mux("kind", map[string]gentask.Behavior{
			"0": got.batch(allDone, cfg), "1": got.batch(allDone, cfg),
		}), gentask.Config{Concurrency: 4, Timeout: -1})
		begin := time.Now()
		r.Eventually("one of them is handled", func() bool { return r.Memory.Stats().Acked == 2 })
		require.Less(r, time.Since(begin), time.Minute)
		r.Stop(c)
		require.Equal(r, []int{2, 2}, got.sizes)
	})
}
