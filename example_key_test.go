package gentask_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
)

// Each account may book twice a second. Another account doesn't wait for it.
func ExampleKeyRate() {
	q := account(booking("1001", "open"), booking("1001", "pay in"), booking("1002", "open"))
	defer q.Close()
	fmt.Println(worked(q, gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		fmt.Println(job.ID())
		return nil
	}), gentask.Config{
		Concurrency: 1,
		Prefetch:    10, // what waits here is what can be overtaken
		Policy: gentask.Policy{
			KeyRate: gentask.KeyRate{Key: gentask.KeyHeader("account"), Rate: gentask.Rate{PerSecond: 2, Burst: 1}},
		},
	}))
	// Output:
	// 1001 open
	// 1002 open
	// 1001 pay in
	// <nil>
}
