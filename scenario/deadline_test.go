package scenario_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/task"
)

// seen is what a job sees of its time.
type seen struct {
	left       time.Duration
	has        bool
	err, cause error
}

func look(ctx context.Context, tell chan<- seen) error {
	at, has := ctx.Deadline()
	s := seen{left: time.Until(at), has: has}
	<-ctx.Done()
	s.err, s.cause = ctx.Err(), context.Cause(ctx)
	tell <- s
	return ctx.Err()
}

// TestDeadline_WhateverMadeIt: the context of a job reports its deadline, and after a timeout that
// its time is over, in the words of package context: in a function, a Worker, a batch, a worker of
// Actor, and a middleware.
func TestDeadline_WhateverMadeIt(t *testing.T) {
	const timeout = 10 * time.Second
	for name, behavior := range map[string]func(tell chan<- seen) (gentask.Behavior, gentask.Policy){
		"Handle": func(tell chan<- seen) (gentask.Behavior, gentask.Policy) {
			return gentask.Handle(func(ctx context.Context, _ []byte) error { return look(ctx, tell) }), gentask.Policy{}
		},
		"Work": func(tell chan<- seen) (gentask.Behavior, gentask.Policy) {
			return gentask.Work(&rig.Worker[[]byte, int]{
				OnRun:    func(ctx context.Context, _ []byte) (int, error) { return 0, look(ctx, tell) },
				OnResult: func(gentask.Job[[]byte], task.Outcome[int]) gentask.Decision { return gentask.Decision{} },
			}), gentask.Policy{}
		},
		"Batch": func(tell chan<- seen) (gentask.Behavior, gentask.Policy) {
			return gentask.Batch(func(ctx context.Context, _ []gentask.Job[[]byte]) (gentask.Results, error) {
				return nil, look(ctx, tell)
			}, gentask.BatchConfig{Size: 1}), gentask.Policy{}
		},
		"Actor": func(tell chan<- seen) (gentask.Behavior, gentask.Policy) {
			return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
				return actor.FromFunc(func(ctx actor.Context) {
					switch msg := ctx.Message().(type) {
					case *actor.Started:
						_ = job.Run(ctx, func(c context.Context) (any, error) { return nil, look(c, tell) })
					case *task.Outcome[any]:
						if msg.Status == task.Timeout {
							msg.Task.Stop(msg.Reason, 0)
							return
						}
						ctx.Stop(ctx.Self())
					}
				})
			}), gentask.Policy{}
		},
		"middleware": func(tell chan<- seen) (gentask.Behavior, gentask.Policy) {
			return gentask.Handle(func(context.Context, []byte) error { return nil }), gentask.Policy{
				Middleware: []gentask.Middleware{func(gentask.RunFunc) gentask.RunFunc {
					return func(ctx context.Context, _ gentask.Job[any]) (any, error) { return nil, look(ctx, tell) }
				}},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				tell := make(chan seen, 1)
				b, policy := behavior(tell)
				r.Publish(1)
				r.Start(b, gentask.Config{Timeout: timeout, Retry: gentask.Retry{MaxAttempts: 1}, Policy: policy})
				s := <-tell
				require.True(r, s.has)
				require.Equal(r, timeout, s.left)
				require.ErrorIs(r, s.err, context.DeadlineExceeded)
				require.ErrorIs(r, s.cause, context.DeadlineExceeded)
				require.ErrorIs(r, s.cause, task.ErrTimeout)
				r.Finish()
				require.Equal(r, task.Timeout, eventOf(r, "1").Outcome)
			})
		})
	}
}

// TestDeadline_OthersAreNotTimeouts: what is cancelled or drained was not late.
func TestDeadline_OthersAreNotTimeouts(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		tell := make(chan error, 1)
		r.Publish(1)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			tell <- errors.Join(ctx.Err(), context.Cause(ctx))
			return ctx.Err()
		}), gentask.Config{})
		r.Rest()
		require.NoError(r, c.Cancel(r.Context(), "1"))
		err := <-tell
		require.ErrorIs(r, err, gentask.ErrCancelled)
		require.NotErrorIs(r, err, context.DeadlineExceeded)
		r.Finish()
	})
}
