package rabbitmq_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// Two programs share a store: each creates the record only if it is not there.
func ExampleBroker_Store() {
	url, err := brokertest.FindRabbitMQ() // or "amqp://user:password@host:5672/vhost"
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	leader := queue.EncodeKey(fmt.Sprint("leader ", os.Getpid()))
	for _, name := range []string{"first", "second"} {
		broker, err := rabbitmq.New(url)
		if err != nil {
			log.Fatal(err)
		}
		defer broker.Close()
		store, err := broker.Store(ctx, "example")
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		_, err = store.Put(ctx, leader, []byte(name), queue.Absent, time.Minute)
		fmt.Println(name, "leads:", err == nil)
	}
	// Output:
	// first leads: true
	// second leads: false
}

// One program asks who is there.
func ExampleBroker_Bus() {
	url, err := brokertest.FindRabbitMQ()
	if err != nil {
		log.Fatal(err)
	}
	broker, err := rabbitmq.New(url)
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	bus, err := broker.Bus(context.Background(), "example")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Close()
	if _, err := bus.Answer("who", func([]byte) []byte { return []byte("node-1") }); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	for answer, err := range bus.Ask(ctx, "who", nil) {
		fmt.Println(string(answer), err)
	}
	// Output:
	// node-1 <nil>
}
