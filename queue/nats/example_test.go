package nats_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// A queue at an existing server. Here it is one of this process, on a free port.
func Example() {
	url, stop := exampleServer()
	defer stop()
	broker, err := nats.New(url, nats.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()

	ctx := context.Background()
	emails := broker.Queue("emails")
	if err := emails.Publish(ctx, queue.Message{ID: "welcome-7", Body: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	session, err := emails.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close(ctx)
	for range 2 {
		d, err := session.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, attempt %d: %s\n", d.ID, d.Attempt, d.Body)
		disposition := queue.Requeue
		if d.Attempt == 2 {
			disposition = queue.Ack
		}
		if err := session.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: disposition}}); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// welcome-7, attempt 1: hello
	// welcome-7, attempt 2: hello
}

func exampleServer() (url string, stopServer func()) {
	dir, err := os.MkdirTemp("", "gentask-example-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := start(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	return s.ClientURL(), func() {
		stop(s)
		_ = os.RemoveAll(dir)
	}
}

// The function that returns the servers is called for each connection, and a server that is down is
// skipped.
func Example_urls() {
	url, stop := exampleServer()
	defer stop()
	broker, err := nats.New("", nats.Config{URLs: func(context.Context) ([]string, error) {
		return []string{"nats://127.0.0.1:1", url}, nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	fmt.Println(broker.Queue("emails").Publish(context.Background(), queue.Message{ID: "7"}))
	// Output:
	// <nil>
}
