package gentask_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// A middleware wraps each run, inside its task. The middleware of the library has the same form.
func ExampleMiddleware() {
	q := outbox("anna")
	defer q.Close()
	late := queue.Message{ID: "bert", Body: []byte(`{"To":"bert"}`), Headers: map[string]string{"expires": "2001-02-03T04:05:06Z"}}
	if err := q.Publish(context.Background(), late); err != nil {
		fmt.Println(err)
	}

	measured := func(next gentask.RunFunc) gentask.RunFunc {
		return func(ctx context.Context, job gentask.Job[any]) (any, error) {
			begin := time.Now()
			value, err := next(ctx, job)
			fmt.Println(job.ID(), "took less than a minute:", time.Since(begin) < time.Minute)
			return value, err
		}
	}
	fmt.Println(consumed(q, gentask.Handle(func(_ context.Context, e Email) error {
		fmt.Println("to", e.To)
		return nil
	}), gentask.Config{Concurrency: 1, Policy: gentask.Policy{
		Middleware: []gentask.Middleware{measured, gentask.DeadlineFrom("expires")},
	}}))
	// Unordered output:
	// to anna
	// anna took less than a minute: true
	// anna: ok, ack
	// bert took less than a minute: true
	// bert: exit, dead letter: gentask: deadline over at 2001-02-03 04:05:06 +0000 UTC, before it was run
	// <nil>
}
