package gentask_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// A process dies while it holds two messages. One of them may have killed it: the next process runs
// them alone, one after the other.
func ExamplePolicy_suspectsAlone() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q := outbox("anna", "bert", "cora")
	defer q.Close()
	dead, err := q.Open(ctx, queue.Options{Prefetch: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		if _, err := dead.Receive(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	q.LoseSession(1)

	c, err := gentask.New(q, gentask.Handle(func(context.Context, Email) error { return nil }), gentask.Config{
		Policy: gentask.Policy{IsolateSuspects: true},
		OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventSuspect {
				fmt.Println(ev.ID, "runs alone, attempt", ev.Attempt)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Start(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(q.WaitEmpty(ctx))
	if _, err := c.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// anna runs alone, attempt 2
	// bert runs alone, attempt 2
	// <nil>
}
