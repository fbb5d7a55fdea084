package embedded_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
)

// A broker in a directory, without an installation and without a server to start.
func Example() {
	dir, err := os.MkdirTemp("", "gentask-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	broker, err := embedded.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()

	ctx := context.Background()
	emails := broker.Queue("emails")
	if err := emails.Publish(ctx, queue.Message{Body: []byte("hello")}); err != nil {
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
	fmt.Printf("attempt %d: %s\n", delivery.Attempt, delivery.Body)
	if err := session.Settle(ctx, []queue.Settlement{{Delivery: delivery, Disposition: queue.Ack}}); err != nil {
		log.Fatal(err)
	}
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// attempt 1: hello
}
