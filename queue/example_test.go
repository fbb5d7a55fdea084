package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// A session hands out deliveries and takes one settlement for each. This is what a consumer does with every driver.
func Example() {
	ctx := context.Background()
	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	if err := emails.Publish(ctx, queue.Message{ID: "1", Body: []byte("hello")}); err != nil {
		log.Fatal(err)
	}

	session, err := emails.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	delivery, err := session.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s, attempt %d\n", delivery.ID, delivery.Body, delivery.Attempt)

	done := queue.Settlement{Delivery: delivery, Verb: queue.Ack}
	fmt.Println("first:", session.Settle(ctx, []queue.Settlement{done}))
	err = session.Settle(ctx, []queue.Settlement{done})
	fmt.Println("second:", err, errors.Is(err, queue.ErrSettled))
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1: hello, attempt 1
	// first: <nil>
	// second: queue: 1 not settled: delivery 1: queue: delivery already settled true
}
