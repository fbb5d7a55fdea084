package gentask

import (
	"context"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// Tasks describes the tasks of this consumer that have not returned, the abandoned included, oldest first, with their stacks; Name is the
// message's ID. It stops the world for some microseconds per goroutine of the process, so it is for humans who look at a job that hangs. It
// returns ErrNotRunning or ctx.Err().
func (c *Consumer) Tasks(ctx context.Context) ([]task.Info, error) {
	sup, err := askLedger(ctx, c.current(), func(answer func(*task.Supervisor)) message { return &tasksRequest{answer: answer} })
	if err != nil {
		return nil, err
	}
	infos, err := sup.Stacks(ctx)
	if guard.Is(err, task.ErrClosed) {
		return nil, ErrNotRunning
	}
	return infos, err
}
