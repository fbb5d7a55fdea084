package gentask_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A program that reads versions 1 and 2 of a payload leaves version 3 to a newer release. It puts
// the message off, which costs no attempt.
func ExampleUnknown() {
	q := memory.New(memory.Config{})
	defer q.Close()
	for i, version := range []string{"1", "3", ""} {
		err := q.Publish(context.Background(), queue.Message{
			ID: fmt.Sprintf("message %d", i+1), Headers: map[string]string{queue.HeaderVersion: version},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := 0
	err := gentask.Run(ctx, q, gentask.Handle(func(context.Context, string) error { return nil }), gentask.Config{
		Concurrency: 1,
		Versions:    []string{"1", "2"},
		Unknown:     gentask.Unknown{}, // for 15 minutes, then as a dead letter
		OnEvent: func(ev gentask.Event) {
			if ev.Kind != gentask.EventDone {
				return
			}
			fmt.Println(ev.ID, "attempt", ev.Attempt, ev.Disposition, ev.Reason)
			if ended++; ended == 3 {
				cancel()
			}
		},
	})
	fmt.Println(err)
	// Unordered output:
	// message 1 attempt 1 ack <nil>
	// message 2 attempt 1 release gentask: version "3" in header "gentask-version" is unknown; known are 1, 2
	// message 3 attempt 1 ack <nil>
	// <nil>
}
