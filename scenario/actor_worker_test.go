package scenario_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor" //nolint:depguard // workers of foreign Props are what is tested
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// received runs an Actor worker in one function on one message.
func received(t *testing.T, receive func(gentask.ActorJob[mail], actor.Context), cfg gentask.Config) (got gentasktest.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		got = gentasktest.Run(t, gentask.Actor(func(job gentask.ActorJob[mail]) *actor.Props {
			return actor.FromFunc(func(ctx actor.Context) { receive(job, ctx) })
		}), gentasktest.JSON(t, mail{To: "anna"}), cfg)
	})
	return got
}

type mail struct{ To string }

func TestActor_TheOutcomeIsAMessage(t *testing.T) {
	got := received(t, func(job gentask.ActorJob[mail], ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			refused := make(chan struct{})
			require.NoError(t, job.Run(ctx, func(context.Context) (any, error) { <-refused; return "to " + job.Payload().To, nil }))
			require.Error(t, job.Run(ctx, func(context.Context) (any, error) { panic("a second task beside the first") }))
			close(refused)
		case *task.Outcome[any]:
			require.Equal(t, "to anna", msg.Value)
			require.NoError(t, job.Settle(gentask.Ack()))
			actor.Exit(ctx, nil)
		}
	}, gentask.Config{})
	require.Equal(t, queue.Ack, got.Disposition)
	require.Equal(t, task.OK, got.Outcome)
}

func TestActor_AnotherTaskAfterTheFirst(t *testing.T) {
	const wanted = 3
	var values []any
	got := received(t, func(job gentask.ActorJob[mail], ctx actor.Context) {
		step := func() {
			require.NoError(t, job.Run(ctx, func(context.Context) (any, error) { return len(values), nil }))
		}
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			step()
		case *task.Outcome[any]:
			if values = append(values, msg.Value); len(values) < wanted {
				step()
				return
			}
			require.NoError(t, job.Settle(gentask.Ack()))
			actor.Exit(ctx, nil)
		}
	}, gentask.Config{})
	require.Equal(t, queue.Ack, got.Disposition)
	require.Equal(t, []any{0, 1, 2}, values)
}

// TestActor_TheWorkerHandlesTimeouts itself: it gives more time once, and then it stops the task.
func TestActor_TheWorkerHandlesTimeouts(t *testing.T) {
	var heard []task.Status
	got := received(t, func(job gentask.ActorJob[mail], ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			require.NoError(t, job.Run(ctx, func(c context.Context) (any, error) { <-c.Done(); return nil, c.Err() }))
		case *task.Outcome[any]:
			heard = append(heard, msg.Status)
			switch {
			case msg.Status == task.Timeout && len(heard) == 1:
				msg.Task.Extend(time.Minute)
			case msg.Status == task.Timeout:
				msg.Task.Stop(msg.Reason, time.Second)
			default:
				require.NoError(t, job.Settle(gentask.DeadLetter(msg.Reason)))
				actor.Exit(ctx, nil)
			}
		}
	}, gentask.Config{Timeout: time.Second})
	require.Equal(t, []task.Status{task.Timeout, task.Timeout, task.Exit}, heard)
	require.Equal(t, queue.DeadLetter, got.Disposition)
	require.ErrorIs(t, got.Reason, task.ErrTimeout)
	require.Equal(t, task.Timeout, got.Outcome)
	require.Equal(t, time.Second+time.Minute, got.RunTime)
}

// TestActor_SettledEarly: the task goes on, and the delivery's end is told when it has returned.
func TestActor_SettledEarly(t *testing.T) {
	var returned time.Time
	got := received(t, func(job gentask.ActorJob[mail], ctx actor.Context) {
		switch ctx.Message().(type) {
		case *actor.Started:
			require.NoError(t, job.Run(ctx, func(context.Context) (any, error) {
				time.Sleep(time.Second)
				returned = time.Now()
				return nil, errOwn
			}))
			require.ErrorIs(t, job.Settle(gentask.Decision{}), gentask.ErrUndecided)
			require.ErrorIs(t, job.Settle(gentask.Extend(time.Second)), gentask.ErrUndecided)
			require.NoError(t, job.Settle(gentask.Ack()))
			require.ErrorIs(t, job.Settle(gentask.Requeue(0)), gentask.ErrSettled)
		case *task.Outcome[any]:
			require.ErrorIs(t, job.Settle(gentask.Requeue(0)), gentask.ErrSettled)
			actor.Exit(ctx, nil)
		}
	}, gentask.Config{})
	require.Equal(t, queue.Ack, got.Disposition)
	require.NoError(t, got.Reason)
	require.Equal(t, task.Exit, got.Outcome)
	require.False(t, got.Events[len(got.Events)-1].Time.Before(returned))
}

// TestActor_EndsWithoutSettling: the default policy decides.
func TestActor_EndsWithoutSettling(t *testing.T) {
	for name, end := range map[string]func(gentask.ActorJob[mail], actor.Context){
		"before it has run anything": func(_ gentask.ActorJob[mail], ctx actor.Context) { actor.Exit(ctx, nil) },
		"while its task runs": func(job gentask.ActorJob[mail], ctx actor.Context) {
			_ = job.Run(ctx, func(c context.Context) (any, error) { <-c.Done(); return nil, c.Err() })
			ctx.Stop(ctx.Self())
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := received(t, func(job gentask.ActorJob[mail], ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); ok {
					end(job, ctx)
				}
			}, gentask.Config{})
			require.Equal(t, queue.Requeue, got.Disposition)
			require.Positive(t, got.After)
			require.ErrorIs(t, got.Reason, gentask.ErrWorkerLost)
		})
	}
}

// TestActor_ForeignProps: an actor of protoactor-go's own making, with a child of its own, is a
// worker like any other.
func TestActor_ForeignProps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type sent struct{ to any }
		childEnded := false
		foreign := func(job gentask.ActorJob[mail]) *pa.Props {
			return pa.PropsFromFunc(func(ctx pa.Context) {
				switch msg := ctx.Message().(type) {
				case *pa.Started:
					_ = job.Run(ctx, func(context.Context) (any, error) { return job.Payload().To, nil })
				case *task.Outcome[any]:
					child := ctx.Spawn(pa.PropsFromFunc(func(c pa.Context) {
						switch m := c.Message().(type) {
						case *sent:
							c.Respond(m.to)
						case *pa.Stopped:
							childEnded = true
						}
					}))
					ctx.Request(child, &sent{to: msg.Value})
				case string:
					if msg == "anna" {
						_ = job.Settle(gentask.Ack())
					}
					ctx.Stop(ctx.Self())
				}
			})
		}
		got := gentasktest.Run(t, gentask.Actor(foreign), gentasktest.JSON(t, mail{To: "anna"}), gentask.Config{})
		require.Equal(t, queue.Ack, got.Disposition)
		require.True(t, childEnded, "the slot is free when all of the worker is gone")
		time.Sleep(2 * time.Second) // protoactor-go keeps a goroutine for a second after a dead letter
	})
}

// TestActor_ForeignPropsThatCrash are started again like any other.
func TestActor_ForeignPropsThatCrash(t *testing.T) {
	made := 0
	got := gentasktest.Run(t, gentask.Actor(func(job gentask.ActorJob[mail]) *actor.Props {
		made++
		crash := made < 3
		return pa.PropsFromFunc(func(ctx pa.Context) {
			if _, ok := ctx.Message().(*pa.Started); !ok {
				return
			}
			if crash {
				panic(errOwn)
			}
			_ = job.Settle(gentask.Ack())
			ctx.Stop(ctx.Self())
		})
	}), gentasktest.JSON(t, mail{}), gentask.Config{})
	require.Equal(t, queue.Ack, got.Disposition)
	require.Equal(t, 3, made)
}

// TestActor_WhatCannotBeDecoded is dead-lettered, and no worker is made.
func TestActor_WhatCannotBeDecoded(t *testing.T) {
	got := gentasktest.Run(t, gentask.Actor(func(gentask.ActorJob[mail]) *actor.Props {
		t.Error("made")
		return nil
	}), gentasktest.JSON(t, "}{"), gentask.Config{})
	require.Equal(t, queue.DeadLetter, got.Disposition)
	var undecodable *gentask.DecodeError
	require.ErrorAs(t, got.Reason, &undecodable)
	require.Contains(t, undecodable.Type, "mail")
}
