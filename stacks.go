package gentask

import (
	"context"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

// Tasks returns the tasks of this consumer that have not returned, the abandoned included, oldest
// first, with their stacks. Name is the message's ID. Tasks stops the world for some microseconds
// per goroutine of the process, so use it by hand, to look at a job that hangs. It returns
// [ErrNotRunning] or ctx.Err().
func (c *Consumer) Tasks(ctx context.Context) ([]task.Info, error) {
	sup, err := askLedger(ctx, c.current(), func(answer func(*task.Supervisor)) message {
		return &tasksRequest{answer: answer}
	})
	if err != nil {
		return nil, err
	}
	infos, err := sup.Stacks(ctx)
	if guard.Is(err, task.ErrClosed) {
		return nil, ErrNotRunning
	}
	return infos, err
}
