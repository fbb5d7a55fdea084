package scenario_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

var errOwn = errors.New("own error")

func TestScenario03_EveryWayToDie(t *testing.T) { rig.Memory().Run(t, promises.EveryWayToDie) }

func TestScenario03_WithoutHandleResultTheDefaultPolicyHears(t *testing.T) {
	for _, d := range promises.Deaths() {
		t.Run(d.Name, func(t *testing.T) {
			got := gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ int) error { return d.Run(ctx) }),
				gentasktest.JSON(t, 1), gentask.Config{})
			require.Equal(t, task.Exit, got.Outcome)
			d.Check(t, got.Reason)
			if errors.Is(d.Is, gentask.ErrCancelled) {
				require.Equal(t, queue.DeadLetter, got.Disposition)
				return
			}
			require.Equal(t, queue.Requeue, got.Disposition)
		})
	}
}
