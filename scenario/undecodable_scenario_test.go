package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

type order struct{ Pieces int }

// TestScenario27_UndecodablePayload: it is dead-lettered with the decoder's error, at once, with
// every kind of behaviour. Neither Run nor HandleResult is called.
func TestScenario27_UndecodablePayload(t *testing.T) {
	never := func(what string) error { panic(what + " was called") }
	for name, b := range map[string]gentask.Behavior{
		"Handle": gentask.Handle(func(context.Context, order) error { return never("Run") }),
		"Work": gentask.Work(funcs[order, int]{
			run:    func(context.Context, order) (int, error) { return 0, never("Run") },
			handle: func(gentask.Job[order], task.Outcome[int]) gentask.Decision { panic("HandleResult was called") },
		}),
		"Actor": gentask.Actor(func(gentask.ActorJob[order]) *actor.Props { panic("the factory was called") }),
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Send(queue.Message{ID: "bad", Body: []byte(`{"Pieces": "many"}`)})
				r.Start(b, gentask.Config{})
				r.Finish()
				reason := requireDeadLetter(r, "bad")
				var undecodable *gentask.DecodeError
				require.ErrorAs(r, reason, &undecodable)
				require.Equal(r, "scenario_test.order", undecodable.Type)
				var wrong *json.UnmarshalTypeError
				require.ErrorAs(r, reason, &wrong)
			})
		})
	}
}

// TestScenario27_DecoderFails: for each way to fail, the message is dead-lettered, and its
// neighbours are not touched.
func TestScenario27_DecoderFails(t *testing.T) {
	errCodec := errors.New("unknown codec")
	for name, fail := range map[string]func() error{
		"Error": func() error { return errCodec },
		"Panic": func() error { panic(errCodec) },
	} {
		t.Run(name, func(t *testing.T) {
			for kind, behavior := range map[string]func(r *rig.Rig) gentask.Behavior{
				"Handle": func(r *rig.Rig) gentask.Behavior { return r.Handle(func(context.Context, string) error { return nil }) },
				"Actor":  func(*rig.Rig) gentask.Behavior { return gentask.Actor(settleAtOnce) },
			} {
				t.Run(kind, func(t *testing.T) {
					rig.Memory().Run(t, func(r *rig.Rig) {
						r.Publish(2)
						r.Send(queue.Message{ID: "bad", Body: []byte("bad")})
						r.Publish(2)
						r.Start(behavior(r), gentask.Config{Decode: func(msg *queue.Message, into any) error {
							if string(msg.Body) == "bad" {
								return fail()
							}
							return gentask.DecodeJSON(msg, into)
						}})
						r.Finish()
						reason := requireDeadLetter(r, "bad")
						var undecodable *gentask.DecodeError
						require.ErrorAs(r, reason, &undecodable)
						require.Equal(r, 4, r.Memory.Stats().Acked)
						require.Equal(r, 5, r.Memory.Stats().Delivered)
					})
				})
			}
		})
	}
}

// TestScenario27_DecoderCallsGoexit: that ends the task before anybody can tell why, so it is tried
// again as any other failure, and dead-lettered in the end. Run is never called.
func TestScenario27_DecoderCallsGoexit(t *testing.T) {
	for kind, behavior := range map[string]func(r *rig.Rig) gentask.Behavior{
		"Handle": func(r *rig.Rig) gentask.Behavior { return r.Handle(func(context.Context, string) error { return nil }) },
		"Actor":  func(*rig.Rig) gentask.Behavior { return gentask.Actor(settleAtOnce) },
	} {
		t.Run(kind, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(1)
				r.Start(behavior(r), gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}, Decode: func(*queue.Message, any) error {
					runtime.Goexit()
					return nil
				}})
				r.Finish()
				require.Equal(r, 3, r.Memory.Stats().Delivered)
				require.Equal(r, 1, r.Memory.Stats().DeadLettered)
				require.Zero(r, r.Runs.Total())
			})
		})
	}
}

// settleAtOnce makes a worker that acknowledges.
func settleAtOnce(job gentask.ActorJob[[]byte]) *actor.Props {
	return actor.FromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			_ = job.Settle(gentask.Ack())
			ctx.Stop(ctx.Self())
		}
	})
}

// requireDeadLetter checks that the message was dead-lettered on its first attempt, and returns the
// reason of the event.
func requireDeadLetter(r *rig.Rig, id string) error {
	r.Helper()
	letters, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Len(r, letters, 1)
	require.Equal(r, id, letters[0].ID)
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.ID == id {
			require.Equal(r, queue.DeadLetter, ev.Disposition)
			require.Equal(r, task.Exit, ev.Outcome)
			require.Equal(r, 1, ev.Attempt)
			require.Equal(r, ev.Reason.Error(), letters[0].Headers[queue.HeaderReason])
			return ev.Reason
		}
	}
	r.Fatalf("no end event of %q", id)
	return nil
}

// funcs is a Worker in two functions.
type funcs[J, R any] struct {
	run    func(context.Context, J) (R, error)
	handle func(gentask.Job[J], task.Outcome[R]) gentask.Decision
}

func (f funcs[J, R]) Run(ctx context.Context, payload J) (R, error) { return f.run(ctx, payload) }

func (f funcs[J, R]) HandleResult(job gentask.Job[J], o task.Outcome[R]) gentask.Decision {
	return f.handle(job, o)
}
