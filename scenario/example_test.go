package scenario_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Example is scenario 13 as a program: a job panics, and its consumer goes on.
func Example() {
	q := memory.New(memory.Config{})
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, id := range []string{"bad", "good"} {
		if err := q.Publish(ctx, queue.Message{ID: id, Body: []byte(id)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	ended := 0
	err := gentask.Run(ctx, q, gentask.Handle(func(_ context.Context, id string) error {
		if id == "bad" {
			panic("a bug")
		}
		return nil
	}), gentask.Config{Concurrency: 1, Retry: gentask.Retry{MaxAttempts: 1}, OnEvent: func(ev gentask.Event) {
		if ev.Kind != gentask.EventDone {
			return
		}
		fmt.Printf("%s: %v, %v\n", ev.ID, ev.Outcome, ev.Disposition)
		if ended++; ended == 2 {
			cancel()
		}
	}})
	fmt.Println(err, q.Stats().Held)
	// Unordered output:
	// bad: exit, dead letter
	// good: ok, ack
	// <nil> 0
}
