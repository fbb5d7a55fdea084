package gentask_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// kinds is a mux with a behaviour of each make, with types of their own; each sends its kind to
// heard.
func kinds(heard func(kind string)) map[string]gentask.Behavior {
	return map[string]gentask.Behavior{
		"handle": gentask.Handle(func(_ context.Context, m mail) error { heard("handle " + m.To); return nil }),
		"work": gentask.Work(&rig.Worker[int, string]{
			OnRun: func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil },
			OnResult: func(_ gentask.Job[int], o task.Outcome[string]) gentask.Decision {
				heard("work " + o.Value)
				return gentask.DeadLetter(errOwn)
			},
		}),
		"receive": gentask.Actor(func(job gentask.ActorJob[string]) *actor.Props {
			heard("receive " + job.Payload())
			return actor.FromFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); ok {
					_ = job.Settle(gentask.Ack())
					actor.Exit(ctx, nil)
				}
			})
		}),
		"batch": gentask.Batch(func(_ context.Context, jobs []gentask.Job[bool]) (gentask.Results, error) {
			heard(fmt.Sprint("batch ", jobs[0].Payload()))
			return gentask.AllDone(jobs), nil
		}, gentask.BatchConfig{}),
		"nested": gentask.Mux("sub", map[string]gentask.Behavior{
			"": gentask.Handle(func(context.Context, []byte) error { heard("nested"); return nil }),
		}),
	}
}

func ofKind(kind, body string) queue.Message {
	return queue.Message{ID: kind, Headers: map[string]string{"kind": kind}, Body: []byte(body)}
}

// TestMux: each kind has its own behaviour, made in any way, and its own types.
func TestMux(t *testing.T) {
	for kind, c := range map[string]struct {
		body, want  string
		disposition queue.Disposition
	}{
		"handle":  {`{"To":"anna"}`, "handle anna", queue.Ack},
		"work":    {`7`, "work 7", queue.DeadLetter},
		"receive": {`x`, "receive x", queue.Ack},
		"batch":   {`true`, "batch true", queue.Ack},
		"nested":  {``, "nested", queue.Ack},
	} {
		t.Run(kind, func(t *testing.T) {
			var got string
			result := gentasktest.Run(t, gentask.Mux("kind", kinds(func(s string) { got = s })), ofKind(kind, c.body), gentask.Config{})
			require.Equal(t, c.disposition, result.Disposition, "%v", result.Reason)
			require.Equal(t, c.want, got)
		})
	}
}

// TestMux_UnknownKinds are put off, and where that is off dead-lettered, with a reason that names
// the known ones, unless there is a behaviour for the rest.
func TestMux_UnknownKinds(t *testing.T) {
	nothing := func(string) {}
	for name, msg := range map[string]queue.Message{"unknown": ofKind("fax", ""), "none": {Body: []byte("x")}} {
		t.Run(name, func(t *testing.T) {
			cfg := gentask.Config{}
			cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed}}
			for limit, want := range map[time.Duration]queue.Disposition{0: queue.Release, -1: queue.DeadLetter} {
				cfg.Unknown.For = limit
				got := gentasktest.Run(t, gentask.Mux("kind", kinds(nothing)), msg, cfg)
				require.Equal(t, want, got.Disposition)
				require.ErrorIs(t, got.Reason, queue.ErrUnknown)
				require.EqualError(t, got.Reason, fmt.Sprintf(
					"gentask: kind %q in header \"kind\" is unknown; known are batch, handle, nested, receive, work", msg.Headers["kind"]))
			}

			rest := kinds(nothing)
			rest[gentask.AnyKind] = gentask.Handle(func(context.Context, []byte) error { return nil })
			require.Equal(t, queue.Ack, gentasktest.Run(t, gentask.Mux("kind", rest), msg, cfg).Disposition)
		})
	}
}

// TestMux_IsChecked, with all that it is made of.
func TestMux_IsChecked(t *testing.T) {
	good := gentask.Handle(func(context.Context, int) error { return nil })
	for want, behavior := range map[string]gentask.Behavior{
		"behavior is empty":         gentask.Mux("kind", nil),
		"header of Mux is empty":    gentask.Mux("", map[string]gentask.Behavior{"a": good}),
		`kind "b" of Mux is empty`:  gentask.Mux("kind", map[string]gentask.Behavior{"a": good, "b": gentask.Handle[int](nil)}),
		`BatchConfig.Size is 1000;`: gentask.Mux("kind", map[string]gentask.Behavior{"a": gentask.Batch(allDone, gentask.BatchConfig{Size: 1000})}),
	} {
		_, err := gentask.New(outbox(), behavior, gentask.Config{})
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}
