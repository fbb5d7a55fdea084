package nats_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// Two programs share a store: each creates the record only if it is not there.
func ExampleBroker_Store() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	for _, name := range []string{"first", "second"} {
		broker, err := nats.New(url, nats.Config{})
		if err != nil {
			log.Fatal(err)
		}
		defer broker.Close()
		store, err := broker.Store(ctx, "fleet")
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		_, err = store.Put(ctx, "leader", []byte(name), queue.Absent, time.Minute)
		fmt.Println(name, "leads:", err == nil)
	}
	// Output:
	// first leads: true
	// second leads: false
}

// One program asks who is there.
func ExampleBroker_Bus() {
	url, stop := exampleServer()
	defer stop()
	broker, err := nats.New(url, nats.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	bus, err := broker.Bus(context.Background(), "fleet")
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
