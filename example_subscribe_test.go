package gentask_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Each subscriber has a queue of its own, so that a slow or panicking one disturbs no other.
func ExampleConsumer_Subscribe() {
	q := memory.New(memory.Config{})
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, []byte) error { return nil }), gentask.Config{
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan string)
	cancel := c.Subscribe(func(ev gentask.Event) {
		if ev.Kind == gentask.EventDone {
			done <- ev.ID
		}
	})
	defer cancel()
	c.Subscribe(func(gentask.Event) { panic("a bug in a subscriber") })
	if err := c.Start(); err != nil {
		log.Fatal(err)
	}
	if err := q.Publish(context.Background(), queue.Message{ID: "mail-1"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("done:", <-done)
	cancel()
	if _, err := c.Stop(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("subscriber panicked:", c.Health().Hooks["Consumer.Subscribe"].Failed > 0)
	// Output:
	// done: mail-1
	// subscriber panicked: true
}

// With FailFast, a consumer gives up when the broker refuses it, instead of trying again until it
// is stopped.
func ExampleConfig_failFast() {
	q := memory.New(memory.Config{Faults: memory.Faults{RefuseOpen: memory.Times(-1)}})
	defer q.Close()
	err := gentask.Run(context.Background(), q, gentask.Handle(func(context.Context, []byte) error { return nil }), gentask.Config{
		FailFast: true, Logger: slog.New(slog.DiscardHandler),
	})
	fmt.Println(err)
	// Output:
	// queue/memory: refused
}
