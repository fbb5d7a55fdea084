package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// endingsOfOthers are errors that say how something ended, which isn't the job that returns them.
func endingsOfOthers(t *testing.T) map[string]error {
	t.Helper()
	return map[string]error{
		"session lost": queue.ErrSessionLost, "drained": gentask.ErrDrained, "cancelled": gentask.ErrCancelled,
		"quota lost": gentask.ErrQuotaLost, "undecodable": &gentask.DecodeError{Type: "int", Err: errOwn}, "worker lost": gentask.ErrWorkerLost,
		"timeout": task.ErrTimeout, "abandoned": task.ErrAbandoned, "task cancelled": task.ErrCancelled, "closed": task.ErrClosed,
		"max abandoned": task.ErrMaxAbandoned, "shutdown": actor.ErrShutdown, "killed": actor.ErrKilled,
		"Goexit": actor.ErrGoexit, "deadline": context.DeadlineExceeded, "duplicate": gentask.ErrDuplicate,
		"attempts": &gentask.AttemptsError{Err: gentask.ErrDrained}, "panicked": panicOf(t, errOwn),
		"panicked of a drain": panicOf(t, gentask.ErrDrained),
		"all":                 errors.Join(gentask.ErrDrained, gentask.ErrCancelled, queue.ErrSessionLost, task.ErrTimeout),
	}
}

// panicOf is the reason of another task that has panicked.
func panicOf(t *testing.T, value any) error {
	t.Helper()
	sys := actor.NewSystem(actor.SystemConfig{})
	s, err := task.New(task.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context(), sys))
	o := task.Run(t.Context(), s, time.Minute, func(context.Context) (any, error) { panic(value) })
	require.NoError(t, s.Close(t.Context()))
	return o.Reason
}

// failingWith are the doors through which a job can fail with an error.
func failingWith(err error) map[string]func(r *rig.Rig) gentask.Behavior {
	run := func(context.Context, string) error { return fmt.Errorf("inner: %w", err) }
	return map[string]func(r *rig.Rig) gentask.Behavior{
		"Handle": func(r *rig.Rig) gentask.Behavior { return r.Handle(run) },
		"bare":   func(r *rig.Rig) gentask.Behavior { return r.Handle(func(context.Context, string) error { return err }) },
		"panic":  func(r *rig.Rig) gentask.Behavior { return r.Handle(func(context.Context, string) error { panic(err) }) },
		"Actor":  func(r *rig.Rig) gentask.Behavior { return r.Actors(run) },
		"task.Go": func(r *rig.Rig) gentask.Behavior {
			return r.Handle(func(ctx context.Context, _ string) error {
				if e := task.Go(ctx, func(context.Context) error { return err }); e != nil {
					return e
				}
				<-ctx.Done()
				return ctx.Err()
			})
		},
		"HandleResult": func(r *rig.Rig) gentask.Behavior {
			return rig.Work(r, func(context.Context, []byte) (int, error) { return 0, err },
				func(job gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
					return gentask.DefaultDecision(job, o)
				})
		},
		"HandleResult panics": func(r *rig.Rig) gentask.Behavior {
			return rig.Work(r, func(context.Context, []byte) (int, error) { return 0, nil },
				func(gentask.Job[[]byte], task.Outcome[int]) gentask.Decision { panic(err) })
		},
		"Batch, of all": func(r *rig.Rig) gentask.Behavior {
			return gentask.Batch(func(context.Context, []gentask.Job[[]byte]) (gentask.Results, error) {
				return nil, run(r.Context(), "")
			}, gentask.BatchConfig{Wait: time.Millisecond})
		},
		"Batch, of one": func(r *rig.Rig) gentask.Behavior {
			return gentask.Batch(func(_ context.Context, jobs []gentask.Job[[]byte]) (gentask.Results, error) {
				return gentask.Results{jobs[0].ID(): err}, nil
			}, gentask.BatchConfig{Wait: time.Millisecond})
		},
	}
}

// TestFacts_WhatAJobReturnsIsNotHowItEnded: an error that wraps the end of another task, consumer
// or message costs an attempt like any other, with back-off, through every door.
func TestFacts_WhatAJobReturnsIsNotHowItEnded(t *testing.T) {
	const most = 3
	for name, err := range endingsOfOthers(t) {
		for door, behavior := range failingWith(err) {
			if !rig.Some(name+door, 4) {
				continue
			}
			t.Run(name+"/"+door, func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					r.Publish(1)
					r.Start(behavior(r), gentask.Config{Retry: gentask.Retry{MaxAttempts: most, Backoff: gentask.Backoff{Base: time.Second}}})
					r.Finish()
					st := r.Memory.Stats()
					require.Equal(r, most, st.Delivered)
					require.Equal(r, most-1, st.Requeued)
					require.Equal(r, 1, st.DeadLettered)
					last := promises.EndsOfMessage(r, "1", most)[most-1]
					require.Equal(r, most, last.Attempt)
					require.NotEqual(r, task.Timeout, last.Outcome)
					var spent *gentask.AttemptsError
					require.ErrorAs(r, last.Reason, &spent)
				})
			})
		}
	}
}

// TestFacts_TheMatchersGoByFacts: a rule is for how the job itself ended.
func TestFacts_TheMatchersGoByFacts(t *testing.T) {
	matchers := map[string]gentask.Match{
		"WhenPanic": gentask.WhenPanic, "WhenGoexit": gentask.WhenGoexit, "WhenTimeout": gentask.WhenTimeout,
		"timeout": gentask.WhenErrorIs(task.ErrTimeout), "abandoned": gentask.WhenErrorIs(task.ErrAbandoned),
		"cancelled": gentask.WhenErrorIs(gentask.ErrCancelled), "quota lost": gentask.WhenErrorIs(gentask.ErrQuotaLost),
		"Goexit": gentask.WhenErrorIs(actor.ErrGoexit),
		"panic":  gentask.WhenErrorAs[*actor.PanicError](), "decode": gentask.WhenErrorAs[*gentask.DecodeError](),
	}
	type ending struct {
		run  func(context.Context, string) error
		want map[string]bool
	}
	endings := map[string]ending{
		"panics": {func(context.Context, string) error { panic("no") }, map[string]bool{"WhenPanic": true, "panic": true}},
		"Goexit": {func(context.Context, string) error { runtime.Goexit(); return nil }, map[string]bool{"WhenGoexit": true, "Goexit": true}},
		"timeout": {
			func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, map[string]bool{"WhenTimeout": true, "timeout": true},
		},
		"panics with a timeout": {
			func(context.Context, string) error { panic(task.ErrTimeout) }, map[string]bool{"WhenPanic": true, "panic": true},
		},
	}
	for name, err := range endingsOfOthers(t) {
		endings["returns "+name] = ending{run: func(context.Context, string) error { return fmt.Errorf("inner: %w", err) }}
	}
	names := slices.Sorted(maps.Keys(matchers))
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				// One job at a time ends so: the nth is for the nth matcher.
				var current atomic.Value
				matcherOf := func(id string) string {
					n, err := strconv.Atoi(id)
					require.NoError(r, err)
					return names[n-1]
				}
				match := func(status task.Status, reason error) bool {
					return matchers[current.Load().(string)](status, reason)
				}
				r.Publish(len(names))
				r.Start(r.Handle(func(ctx context.Context, id string) error {
					current.Store(matcherOf(id))
					return e.run(ctx, id)
				}), gentask.Config{
					Concurrency: 1, Timeout: time.Second, Retry: gentask.Retry{MaxAttempts: 1, Rules: []gentask.Rule{
						{When: match, Do: gentask.Ack()}, {When: gentask.WhenFailed, Do: gentask.DeadLetter(errOwn)},
					}},
				})
				r.Finish()
				for i, matcher := range names {
					ev := eventOf(r, strconv.Itoa(i+1))
					require.Equal(r, e.want[matcher], ev.Disposition == queue.Ack, "%s: %v for %v", matcher, ev.Disposition, ev.Reason)
					if ev.Disposition != queue.Ack {
						require.ErrorIs(r, ev.Reason, errOwn, "it has failed, and was neither cancelled nor undecodable")
					}
				}
			})
		})
	}
}

// TestFacts_InHandleResultToo: the matchers tell there, too, and errors.Is still finds what the job
// returned.
func TestFacts_InHandleResultToo(t *testing.T) {
	nested := panicOf(t, "no")
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		r.Start(rig.Work(r, func(context.Context, []byte) (int, error) {
			return 0, fmt.Errorf("inner: %w", errors.Join(nested, task.ErrTimeout))
		},
			func(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
				require.False(r, gentask.WhenPanic(o.Status, o.Reason))
				require.False(r, gentask.WhenTimeout(o.Status, o.Reason))
				require.True(r, gentask.WhenFailed(o.Status, o.Reason))
				require.ErrorIs(r, o.Reason, task.ErrTimeout)
				var p *actor.PanicError
				require.ErrorAs(r, o.Reason, &p)
				require.Contains(r, o.Reason.Error(), "inner: panic: no")
				return gentask.Ack()
			}), gentask.Config{})
		r.Finish()
	})
}

// TestFacts_FailuresOfOthersCountForBreakers: the run has failed.
func TestFacts_FailuresOfOthersCountForBreakers(t *testing.T) {
	for name, err := range endingsOfOthers(t) {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(20)
				r.Start(r.Handle(func(context.Context, string) error { return fmt.Errorf("inner: %w", err) }), gentask.Config{
					Retry: gentask.Retry{MaxAttempts: 1}, Concurrency: 1,
					Policy: gentask.Policy{Breaker: gentask.Breaker{FailureRate: 0.5, MinRuns: 5}},
				})
				r.Eventually("the breaker opens", func() bool { return len(r.Events(gentask.EventBreakerOpened)) > 0 })
				require.Equal(r, 5, r.Runs.Total())
			})
		})
	}
}

// TestFacts_InterruptedIsReleased: a job that was told to stop is released, and costs no attempt,
// with any error that it returns then, a DeadLetter too.
func TestFacts_InterruptedIsReleased(t *testing.T) {
	for name, last := range map[string]func(context.Context) error{
		"Err":      func(ctx context.Context) error { return ctx.Err() },
		"Cause":    context.Cause,
		"own":      func(context.Context) error { return errOwn },
		"decision": func(context.Context) error { return gentask.DeadLetter(errOwn) },
		"panic":    func(context.Context) error { panic(errOwn) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(1)
				c := r.Start(r.Handle(func(ctx context.Context, _ string) error { <-ctx.Done(); return last(ctx) }),
					gentask.Config{DrainTimeout: time.Second})
				r.Rest()
				r.Stop(c)
				require.Equal(r, queue.Release, eventOf(r, "1").Disposition)
				require.Equal(r, 1, r.Memory.Stats().Released)
				r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
				r.Finish()
				require.Equal(r, 1, r.Events(gentask.EventDone)[1].Attempt)
			})
		})
	}
}

// TestFacts_AStoreThatSpeaksOfAnotherSession is loud: the job was not told to stop.
func TestFacts_AStoreThatSpeaksOfAnotherSession(t *testing.T) {
	for name, err := range endingsOfOthers(t) {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged = true
				r.Publish(1)
				r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Policy: gentask.Policy{
					Dedup: gentask.Dedup{Store: &doneStore{broken: func() error { return fmt.Errorf("store: %w", err) }}},
				}})
				r.Finish()
				require.Len(r, r.Events(gentask.EventDedupFailed), 1)
			})
		})
	}
}

// TestFacts_ReportsNameWhatWasAbandoned, and not what returns the error of another task that was.
func TestFacts_ReportsNameWhatWasAbandoned(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { <-ctx.Done(); return task.ErrAbandoned }),
			gentask.Config{DrainTimeout: time.Second})
		r.Rest()
		report := r.Stop(c)
		require.Equal(r, []string{"1"}, report.Cancelled)
		require.Empty(r, report.Abandoned)
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
		r.Finish()
	})
}

// TestFacts_AnActorWorkerIsStartedAgain although its job returned the error of another task that
// was abandoned.
func TestFacts_AnActorWorkerIsStartedAgain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		made := 0
		r.Publish(1)
		r.Start(gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
			made++
			if made > 1 {
				return acknowledging(job)
			}
			return actor.FromFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					_ = job.Run(ctx, func(context.Context) (any, error) { return nil, task.ErrAbandoned })
				case *task.Outcome[any]:
					panic(errOwn)
				}
			})
		}), gentask.Config{})
		r.Finish()
		require.Equal(r, 2, made)
		require.Equal(r, 1, r.Memory.Stats().Acked)
	})
}
