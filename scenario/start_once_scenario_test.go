package scenario_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/supervision"
	"github.com/gentask/gentask/task"
)

// noise is what workers of others, and bugs, may send.
func noise() []any {
	type own struct{ text string }
	return []any{
		"text", 42,
		own{"x"},
		&own{"y"}, nil, errOwn, func() {},
		struct{}{},
		[]byte("{}"),
		&actor.Exited{Reason: errOwn}, &actor.Ready{}, &supervision.Ended{ID: "1"}, &actor.StopRequest{},
		task.Outcome[any]{Status: task.Exit},
		&task.Outcome[string]{Status: task.OK},
	}
}

// TestScenario08_TheWorkerStartsExactlyOnce, at once, though a hundred unrelated messages reach it;
// none of them kills it.
func TestScenario08_TheWorkerStartsExactlyOnce(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		asked := 0
		r.Publish(1)
		c := r.Start(gentask.Work(&rig.Worker[[]byte, int]{
			OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { <-release; return 1, nil }),
			OnResult: func(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
				asked++
				require.Equal(r, 1, o.Value)
				return gentask.Ack()
			},
		}), gentask.Config{})
		worker := promises.WorkerOf(r)
		require.Equal(r, 1, r.Runs.Total(), "it starts at once")
		all := noise()
		for i := range 100 {
			actor.Send(r.System, worker, all[i%len(all)])
		}
		r.Rest()
		require.True(r, actor.Alive(r.System, worker))
		require.Equal(r, 1, r.Runs.Now())
		require.Zero(r, asked)
		require.Equal(r, 1, c.Health().Running)
		close(release)
		r.Finish()
		require.Equal(r, 1, asked)
		require.Equal(r, 1, r.Runs.Total())
		require.Equal(r, 1, r.Memory.Stats().Acked)
	})
}

// TestScenario08_ForgedMessages: neither the message that starts a worker nor the outcome of
// somebody else's task is taken for its own.
func TestScenario08_ForgedMessages(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		release := make(chan struct{})
		r.Publish(2)
		outcomes := make(chan *task.Outcome[any], 2)
		r.Start(gentask.Work(&rig.Worker[[]byte, int]{
			OnRun: rig.Track(r.Runs, func(context.Context, []byte) (int, error) { <-release; return 1, nil }),
			OnResult: func(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
				outcomes <- &task.Outcome[any]{Status: o.Status}
				return gentask.Ack()
			},
		}), gentask.Config{})
		worker := promises.WorkerOf(r)
		actor.Send(r.System, worker, &actor.Started{})
		actor.Send(r.System, worker, &task.Outcome[any]{Status: task.OK, Value: 2})
		actor.Send(r.System, worker, &task.Outcome[any]{Status: task.Timeout, Reason: task.ErrTimeout})
		r.Rest()
		require.Empty(r, outcomes)
		require.Equal(r, 2, r.Runs.Now())
		close(release)
		r.Finish()
		require.Equal(r, 2, r.Runs.Total())
		require.Equal(r, 2, r.Memory.Stats().Acked)
	})
}
